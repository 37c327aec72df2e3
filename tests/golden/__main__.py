"""Write the golden vectors anew: `python -m tests.golden`."""

import sys

from tests.golden import rewrite

if __name__ == "__main__":
    try:
        for file in rewrite():
            print(file)
    except ValueError as error:
        sys.exit(str(error))
