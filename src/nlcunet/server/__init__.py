"""Upscaling over the network: REST, a web page, and a queue of jobs that outlives the process."""
