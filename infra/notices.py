"""Collects the licenses of the crates that are compiled into the programs, as the licenses require: each text once,
after the names of its crates."""

from pathlib import Path

FILES = ("LICENSE*", "LICENCE*", "COPYING*", "COPYRIGHT*", "NOTICE*", "UNLICENSE*")
RULE = "=" * 120
BEGIN = "What others wrote that is compiled into Goldsmith's programs, and its terms. These crates bring no text of their own:\n\n"


def make(crates):
    """Returns the license texts of all crates in the product, except the product's own crates."""
    having, without = {}, []
    for name, version in sorted(crates.linked):
        package = crates.packages[name, version]
        if not package["source"]:
            continue
        found = texts(Path(package["manifest_path"]).parent)
        for text in found:
            having.setdefault(text, []).append(f"{name} {version}")
        if not found:
            without.append(f"    {name} {version}, {package['license']}, {package['repository']}\n")
    blocks = [f"\n{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}\n" for text, names in having.items()]
    return BEGIN + "".join(without) + "".join(blocks)


def texts(folder):
    """Returns the license texts that a crate contains."""
    files = {file for pattern in FILES for file in folder.glob(pattern) if file.is_file()}
    return [file.read_text(errors="replace").strip() for file in sorted(files)]
