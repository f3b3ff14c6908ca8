"""``python -m nlcunet``: the command line."""

from nlcunet.cli.app import main

if __name__ == "__main__":
    main()
