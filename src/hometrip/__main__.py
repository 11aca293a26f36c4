"""`python -m hometrip` is `hometrip`."""

from hometrip.app.cli import main

if __name__ == "__main__":
    main()
