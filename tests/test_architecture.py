"""The shape of the package: who may import whom, what is public, and what an import costs."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import faltung as fa

ROOT = Path(fa.__file__).parent

# The floors, from the lowest to the highest: the rooms of each, and the question that each room answers. A file
# imports only from lower floors, or from its own room. "face" is `import faltung` itself. The page
# docs/architecture.md has a copy of this list; `python tests/test_docs.py --write` renews it.
LADDER = [
    {"errors": "What can go wrong? The exceptions, and the form of their messages."},
    {"ground": "What do all rooms share? Arrays, borders, regions, checks, threads, scratch, caches, new files."},
    {"kernels": "What is the filter? Values with an algebra, names, a text form, and the rules that rewrite them."},
    {"jit": "How is machine code made, kept and loaded?"},
    {"engines": "How can a valid correlation be computed?"},
    {"planning": "What is asked, and what will run?"},
    {"run": "How is a plan run? Tiles, on every worker."},
    {"tensors": "How does the operator work inside torch, with gradients, on every device?"},
    {"doors": "Which module filters arrays of this kind?"},
    {"uncertainty": "How do errors of samples become errors of outputs?"},
    {"front": "What can be asked? Convolve, correlate, plan."},
    {"face": "Which names are public?"},
    {"chunked": "How are arrays filtered that are larger than memory? dask, Zarr, one region at a time."},
    {"labelled": "How do labels survive a filter? xarray, pandas, and arrays of other libraries."},
    {"streams": "How is a signal filtered that has no end?"},
    {"signals": "What is computed with it? Local statistics, pyramids, resampling, matching, restoration."},
    {"restore": "What was there before the blur? Wiener, Tikhonov, Richardson and Lucy."},
    {"compat": "How does existing code run on this operator? The peers' signatures, and their behaviour."},
    {"layers": "How does a torch module use the operator in place of torch's own layers?"},
    {"fit": "Which filter leads from this input to this output?"},
    {"datasets": "What is there to learn from?"},
    {"networks": "Which networks learn? Classifiers, generators and dense yardsticks."},
    {"inspect": "What does a network do? Its report card, and its simplification."},
    {"learn": "How is a network trained, measured and shown?"},
    {"files": "How do pictures come from files, and go to files, with all that the files say about them?"},
    {"explorer": "What does convolution look like? A page for browsers, notebooks and files."},
    {"cli": "What can be typed? One file for each command: parse, call, print."},
    {"__main__": "What does `python -m faltung` do? The same as the command `faltung`."},
]
RUNG = {name: rung for rung, names in enumerate(LADDER) for name in names}

MODULES = {
    ".".join(("faltung", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def place(module):
    """Name on the ladder of a module, from its full name."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "face"


def imported(module, types=True):
    """Modules of the package that a module imports anywhere; those for type checkers only are left out on demand."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not types and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: imports are absolute"
            # `from package import name` is about a module if there is one of that name.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in whole]
        else:
            continue
        yield from (name for name in names if name in MODULES)


def _names(node):
    """Names that a node of a syntax tree imports or reads."""
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    return [node.attr] if isinstance(node, ast.Attribute) else []


def test_every_file_has_a_place_on_the_ladder():
    assert len(MODULES) > 30
    assert {place(module) for module in MODULES} <= {*RUNG}


@pytest.mark.parametrize("module", [module for module in MODULES if module != "faltung"])
def test_files_import_from_lower_rungs_only(module):
    for other in imported(module):
        lower = RUNG[place(other)] < RUNG[place(module)]
        assert lower or place(other) == place(module), f"{module} imports {other}"


def test_the_face_is_made_of_what_is_below_it():
    for other in imported("faltung", types=False):  # what it loads later is named for type checkers
        assert RUNG[place(other)] < RUNG["face"]


#: Modules that open a file to write it: those that write to the temporary name of a new file, or in a folder of their
#: own. All others call `write_new_file`.
WRITERS = {
    "ground.new_files",
    *("files.array_file", "files.pillow_output", "files.png_output", "files.pnm_file", "files.sound_files"),
    "files.tiff_exif",
    *("chunked.array_maps", "chunked.journal", "chunked.resolutions", "cli.filters", "learn.runs"),
    *("explorer.decoding", "jit.compile", "jit.object_cache"),
}


def test_files_are_written_in_one_place():
    for module in MODULES:
        written = [call for call in _calls(module) if _writes(call)]
        assert not written or module.removeprefix("faltung.") in WRITERS, (module, written)


def _calls(module):
    nodes = ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.Call)]


def _writes(call):
    name, _, arguments = call.partition("(")
    if name in ("open", "io.open") or name.endswith(".open"):
        return re.search(r"'[rb]*[wax+][wabxt+]*'", arguments) is not None
    stored = name.endswith((".write_text", ".write_bytes")) and not name.startswith(
        ("self._run.", "self._folder.", "run.")
    )
    return stored or name in ("np.save", "np.savez", "np.savetxt", "os.replace", "os.rename", "save_file")


def test_no_import_leads_back():
    above = {}

    def visit(module, trail):
        assert module not in trail, " -> ".join([*trail, module])
        if module not in above:
            above[module] = {*imported(module)} - {module}
            for other in sorted(above[module]):
                # A package and its parts are one thing to Python; what matters is how the parts hang together.
                if not (other + ".").startswith(module + ".") and not (module + ".").startswith(other + "."):
                    visit(other, [*trail, module])

    for module in MODULES:
        visit(module, [])


# ---- structure


def _functions():
    """Every function of the package: module, name, lines without the docstring, cyclomatic complexity."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[ast.get_docstring(node) is not None :] or node.body
                yield module, node.name, 2 + body[-1].end_lineno - body[0].lineno, _complexity(node)


def _complexity(function):
    """One more than the conditions, loops, handlers, comprehensions, and further operands of ``and`` and ``or``."""
    branches = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.comprehension, ast.Assert)
    nodes = [*ast.walk(function)]
    operands = sum(len(node.values) - 1 for node in nodes if isinstance(node, ast.BoolOp))
    return 1 + operands + sum(isinstance(node, branches) for node in nodes)


def _emits(module):
    """Whether a module writes machine code, so that its functions are as long as the code that they write."""
    for_a_gpu = ("faltung.tensors.ways.plane_code", "faltung.tensors.ways.triton_code")
    return "faltung.jit.ir" in imported(module) or module in for_a_gpu


def test_rooms_are_few_and_names_are_used_once():
    rooms = {path.relative_to(ROOT).parts[0] for path in MODULES.values()} - {"__init__.py", "__main__.py"}
    assert len(rooms) <= 26
    # A command may be called after what it calls.
    stems = [path.stem for path in MODULES.values() if path.stem != "__init__" and "cli" not in path.parts]
    assert sorted({*stems}) == sorted(stems)
    classes = [
        node.name
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted({*classes}) == sorted(classes)


def test_functions_are_short_and_simple():
    functions = [*_functions()]
    lengths = [lines for _, _, lines, _ in functions]
    assert sum(lengths) / len(lengths) < 10
    wrong = [row for row in functions if (row[2] > 60 or row[3] > 15) and not _emits(row[0])]
    assert wrong == []


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_readable(module):
    path = MODULES[module]
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert path.stem not in {"utils", "util", "helpers", "helper", "core", "common", "misc"}
    assert ast.get_docstring(ast.parse(text)), "the first line says which question the file answers"


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if not path.name.startswith("__")])
def test_files_say_what_is_public(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    loaded = importlib.import_module(module)
    assert [*loaded.__all__] == sorted({*loaded.__all__}, key=lambda name: (not name.isupper(), name))
    assert {name for name in defined if not name.startswith("_")} <= {*loaded.__all__}
    assert all(hasattr(loaded, name) for name in loaded.__all__)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "faltung.__main__"])
def test_no_name_hides_a_module(module):
    loaded = importlib.import_module(module)
    assert functools.reduce(getattr, module.split(".")[1:], fa) is loaded, f"import {module} as m"


@pytest.mark.parametrize("module", MODULES)
def test_properties_that_are_kept_hold_no_lock(module):
    # `faltung.ground.lazy` says why.
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    mentioned = {name for node in ast.walk(tree) for name in _names(node)}
    assert "cached_property" not in mentioned, "use faltung.ground.lazy.lazy"


@pytest.mark.parametrize("name", fa.__all__)
def test_public_names_are_explained_with_an_example(name):
    thing = getattr(fa, name)
    assert ">>> " in (inspect.getdoc(thing) or "")
    for member in vars(thing).values() if inspect.isclass(thing) else ():
        member = member.fget if isinstance(member, property) else getattr(member, "func", member)
        if (
            inspect.isfunction(member)
            and not member.__name__.startswith("_")
            and member.__module__.startswith("faltung")
        ):
            assert inspect.getdoc(member), f"{name}.{member.__name__}"


def test_dir_shows_what_is_public_and_nothing_else():
    packages = {"chunked", "compat", "datasets", "fit", "inspect", "layers", "learn", "networks", "restore"}
    assert dir(fa) == sorted({*fa.__all__, *packages, "__version__"})
    assert fa.__all__ == sorted(fa.__all__)
    assert all(inspect.ismodule(getattr(fa, name)) for name in packages)


def test_an_import_loads_numpy_and_little_else():
    heavy = "torch dask xarray pandas zarr llvmlite scipy typer rich PIL tifffile concurrent.futures"
    text = f"import sys, faltung; print({{*'{heavy}'.split()}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
