"""Copy this folder into ComfyUI's ``custom_nodes``. nlcunet must be installed in ComfyUI's Python.

It adds the node "Upscale Image (NLCUnet)", and lets ComfyUI's own "Load Upscale Model" read our files.
"""

from nlcunet.hub.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

try:
    from nlcunet.hub.spandrel_plugin import register
except ImportError as error:
    print(f"nlcunet: ComfyUI's own nodes cannot load NLCUnet without spandrel ({error})")
else:
    register()

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
