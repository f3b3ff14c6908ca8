"""Networks as graphs that other programs run: ONNX, OpenVINO, torch.export, AOTInductor; each checked before use."""
