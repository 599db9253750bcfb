"""The licences of what is compiled into the programs, as they ask for: each text once, after the crates that have it."""

from pathlib import Path

FILES = ("LICENSE*", "LICENCE*", "COPYING*", "COPYRIGHT*", "NOTICE*", "UNLICENSE*")
RULE = "=" * 120
BEGIN = "What others wrote that is compiled into Goldsmith's programs, and its terms. These crates bring no text of their own:\n\n"


def make(crates):
    """The texts of all crates in the product but the product's own."""
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
    """The texts of licences that a crate brings along."""
    files = {file for pattern in FILES for file in folder.glob(pattern) if file.is_file()}
    return [file.read_text(errors="replace").strip() for file in sorted(files)]
