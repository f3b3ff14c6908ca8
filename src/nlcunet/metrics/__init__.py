"""How close a picture is to its original: PSNR and SSIM, by the one protocol of this package."""
