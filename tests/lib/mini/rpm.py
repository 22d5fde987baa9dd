"""A miniature distribution of RPM packages, for dnf and zypper."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lib.mini import content, trees
from tests.lib.mini.content import MiniFile, MiniPackage
from tests.lib.mini.keys import SigningKey

_SPEC = """\
Name: {name}
Version: 1.0
Release: 1
Summary: A miniature
License: CC0
BuildArch: {arch}
AutoReqProv: no
{provides}
{needs}
%description
A miniature.
%install
cp -a {tree}/. %{{buildroot}}/
{scripts}
%files
{files}
"""


def _file_line(file: MiniFile) -> str:
    mode = f"{file.mode:04o}" if not file.link or file.hard_link else "-"
    parts = [f"%attr({mode}, {file.owner}, {file.owner})"]
    if file.data is None and not file.link:
        parts.append("%dir")
    if file.capability:
        parts.append(f"%caps({file.capability})")
    return " ".join([*parts, f"/{file.path}"])


def _build(work: Path, package: MiniPackage, arch: str) -> None:
    tree = work / "tree" / package.name
    trees.write_tree(tree, package.files)
    scripts = [f"%pre\n{package.before}"] if package.before else []
    scripts += [f"%post\n{package.after}"] if package.after else []
    spec = work / f"{package.name}.spec"
    spec.write_text(
        _SPEC.format(
            name=package.name,
            arch=arch,
            provides="Provides: /bin/sh" if not package.needs else "",
            needs=f"Requires: {package.needs}\nRequires(pre): {package.needs}" if package.needs else "",
            tree=tree,
            scripts="\n".join(scripts),
            files="\n".join(_file_line(file) for file in package.files),
        )
    )
    defines = {
        "_topdir": work,
        "_rpmdir": work / "rpms",
        "_rpmfilename": "%{NAME}.rpm",
        "_dbpath": work / "db",
        "_binary_payload": "w1.gzdio",
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
        "_build_id_links": "none",
        "_smp_mflags": "-j1",
    }
    options = [part for name, value in defines.items() for part in ("--define", f"{name} {value}")]
    subprocess.run(["rpmbuild", "-bb", *options, spec], check=True, capture_output=True, timeout=60)


def make_repository(directory: Path, key: SigningKey | None, arch: str, identity: str) -> Path:
    """Build the packages and a repository of them; without `key` nothing is signed."""
    work = directory / "build"
    work.mkdir(parents=True)
    for package in (content.base(identity), content.extra()):
        _build(work, package, arch)
    repository = work / "rpms"
    if key is not None:
        defines = {"_gpg_name": key.name, "_gpg_path": key.home, "__gpg": "/usr/bin/gpg"}
        options = [part for name, value in defines.items() for part in ("--define", f"{name} {value}")]
        packages = sorted(repository.glob("*.rpm"))
        subprocess.run(
            ["rpmsign", *options, "--addsign", *packages], check=True, capture_output=True, timeout=60
        )
    subprocess.run(["createrepo_c", "-q", repository], check=True, capture_output=True, timeout=60)
    if key is not None:
        key.sign(repository / "repodata" / "repomd.xml", armor=True)
        (repository / "repodata" / "repomd.xml.key").write_bytes(key.public.read_bytes())
    return repository
