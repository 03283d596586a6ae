"""Pictures from files and in files: how are they read, and how written, with all that a file says about them."""

from faltung.files.keeping import lost
from faltung.files.opening import read
from faltung.files.picture_value import Metadata, Picture
from faltung.files.writing import check_target, dtypes, write

__all__ = ["Metadata", "Picture", "check_target", "dtypes", "lost", "read", "write"]
