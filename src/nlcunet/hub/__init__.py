"""The way to other people and programs: the Hugging Face Hub, OpenModelDB, spandrel (chaiNNer, ComfyUI)."""
