"""`python -m contrafake`."""

from contrafake.cli import main

if __name__ == "__main__":
    main()
