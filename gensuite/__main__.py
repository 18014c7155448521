"""``python -m gensuite``: the commands there are."""

import sys
from collections.abc import Sequence

from gensuite.console import Parser, command

COMMANDS = """\
python -m gensuite.train            train a model on a data set
python -m gensuite.sweep --config F train many settings, name the best (needs ray)
python -m gensuite.evaluate RUN     measure a run, or a bundle again
python -m gensuite.doctor RUN       say what ails a run, its cause and its remedy
python -m export RUN                export a run to a bundle (from a checkout)
python -m gensuite.sample BUNDLE    draw images into one picture
python -m gensuite.verify BUNDLE    re-run a bundle's proof on this machine
python -m gensuite.info [BUNDLE]    say what is there; --health measures its latent space
"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """List the commands."""
    Parser("python -m gensuite", "Generative models: train, export, sample.").parse_args(argv)
    print(COMMANDS, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
