"""The web page: HTML with the browser's own controls, small scripts for pictures, and addresses below ``/page``."""

from nlcunet.server.page.routes import add_page

__all__ = ["add_page"]
