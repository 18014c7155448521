"""The studio: the Streamlit pages on which a bundle is explored, with the light wing alone.

``streamlit_app.py`` is the entry. Every page is a file of ``studio/views``; what pages share lies
here: the bundles (``shelf``), the settings in the URL (``choices``), pictures that can be clicked
(``charts``), what several pages draw (``parts``), and the two languages (``language``).
"""

from pathlib import Path

ICON = Path(__file__).with_name("icon.png")
