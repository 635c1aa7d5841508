"""``python -m sdnctl`` is the command ``sdnctl``."""

from sdnctl.cli import main

if __name__ == "__main__":
    main()
