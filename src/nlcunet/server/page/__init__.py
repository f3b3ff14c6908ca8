"""The web page: Gradio for its settings, small scripts of its own for pictures, and a few addresses below ``/page``."""

from nlcunet.server.page.mounting import mount_page

__all__ = ["mount_page"]
