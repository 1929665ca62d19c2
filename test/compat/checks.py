"""What the scripts of this folder share: where the controller is, and how they tell what they found."""

import os
import sys

URL = os.environ["MOORAGE_URL"]
KEY = os.environ["MOORAGE_API_KEY"]
SECRET = os.environ["MOORAGE_SECRET_KEY"]


def check(what, holds):
    """Ends the script unless it holds."""
    if not holds:
        sys.exit(f"not so: {what}")
    print(f"ok: {what}")


def check_equal(what, found, expected):
    """Ends the script, showing both, unless they are equal."""
    check(what if found == expected else f"{what}: {found!r} is not {expected!r}", found == expected)


def check_fails(what, kind, text, action):
    """Ends the script unless the action raises such an exception with that text in it."""
    try:
        answer = action()
    except kind as error:
        check(f"{what}: {error}", text in str(error))
    else:
        sys.exit(f"not so: {what}: it answered {answer!r}")


def end():
    """The last line of a script that came to its end."""
    print("end")
