"""Java applications for pods and for hosts of the lab, each built when it is first asked for.

An app is a Maven project in `tests/lab/java/NAME`: `mvn package` makes `target/app.jar`, and
`target/lib/` if its manifest's class path names one. It comes out as a folder of the cache that
hosts run, and as a layer on `lab.k8sext.io/java:17` that pods run; both are named by a hash of
the project's files. No part of the default build: `python -m tests.lab.building.java [NAME]…`
builds the named ones, or all.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.building import apt, oci
from tests.lab.building.artifact import Artifact, run, say
from tests.lab.building.images import Image, debian_rootfs
from tests.lab.place import LabError

PROJECTS = Path(__file__).parents[1] / "java"
JAVA = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"
"""On this machine's hosts (the lab's package) and in the image."""
JDK = "openjdk-17-jdk-headless"
OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Xmx192m")
"""Quick to start, small, and with one core's worth of threads."""
SHARED = "app.jsa"
_PACKAGES = "openjdk-17-jre-headless,ca-certificates"
_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True)
class JavaImage(Image):
    """Debian bookworm with Java 17: what every app stands on."""

    @property
    def artifact(self) -> Artifact:
        """Its place in the cache."""
        return Artifact("java", "17", f"1 {self.suite} {_PACKAGES}")


JAVA_17 = JavaImage("lab.k8sext.io/java:17", suite="bookworm")


@dataclass(frozen=True)
class App:
    """One project."""

    name: str

    @property
    def project(self) -> Path:
        """Its files."""
        return PROJECTS / self.name

    @functools.cached_property
    def mark(self) -> str:
        """A hash of its files, of what the image is made of, and of how it is started."""
        digest = hashlib.sha256(f"2 {JAVA_17.artifact.folder.name} {OPTIONS}".encode())
        for file in _files(self.project):
            digest.update(f"\n{file.relative_to(self.project)}\n".encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()[:10]

    @property
    def artifact(self) -> Artifact:
        """Its place in the cache: `app/app.jar`, `app/lib`, `image.tar`."""
        return Artifact(f"app-{self.name}", "1", self.mark)

    @property
    def reference(self) -> str:
        """The image's name in a pod."""
        return f"lab.k8sext.io/{self.name}:{self.mark}"

    @property
    def on_spring(self) -> bool:
        """Whether it is an application of Spring Boot: one that ends when it is told to."""
        return "spring-boot-maven-plugin" in (self.project / "pom.xml").read_text()

    @property
    def archive(self) -> Path:
        """The OCI archive of its own layer."""
        return self.artifact.need() / "image.tar"

    @property
    def jar(self) -> Path:
        """What a host runs by `java -jar`."""
        return self.artifact.need() / "app" / "app.jar"


@functools.cache
def apps() -> Mapping[str, App]:
    """Every project with a `pom.xml`."""
    return {p.parent.name: App(p.parent.name) for p in sorted(PROJECTS.glob("*/pom.xml"))}


def build(*names: str) -> None:
    """The image of Java and the named apps, as far as they are missing."""
    with _ONE_AT_A_TIME:
        if not JAVA_17.artifact.made():
            say(f"image {JAVA_17.reference}: about 1 min")
            JAVA_17.artifact.make(_make_java)
        for name in names:
            app = apps()[name]
            if not app.artifact.made():
                say(f"app {name}: Maven, about 20 s and more while it fetches")
                app.artifact.make(partial(_make_app, app))
                if app.on_spring:
                    _share_classes(app)


def _share_classes(app: App) -> None:
    """An archive of the classes that its start loads (JEP 350): half of the start's work is that.

    Java takes it only for the very same file, so it cannot be made before the folder has its name.
    """
    archive = app.jar.with_name(SHARED)
    if archive.exists():
        return
    new = archive.with_suffix(f".{os.getpid()}")
    options = [f"-XX:ArchiveClassesAtExit={new}", "-Dspring.context.exit=onRefresh"]
    subprocess.run(
        [JAVA, *OPTIONS, *options, "-jar", str(app.jar)], capture_output=True, timeout=600
    )
    if new.exists():
        new.rename(archive)


def command(name: str, settings: Mapping[str, object], options: Sequence[str] = ()) -> list[str]:
    """What runs an app on a host. `settings` are its properties: no secret belongs there."""
    properties = [f"--{key}={_text(value)}" for key, value in settings.items()]
    jar = apps()[name].jar
    shared = jar.with_name(SHARED)
    known = [f"-XX:SharedArchiveFile={shared}"] if shared.exists() else []
    return [JAVA, *OPTIONS, *known, *options, "-jar", str(jar), *properties]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _files(project: Path) -> list[Path]:
    """All but what Maven makes."""
    found = (f for f in project.rglob("*") if f.is_file())
    return sorted(f for f in found if "target" not in f.relative_to(project).parts)


def _make_java(into: Path) -> None:
    debian_rootfs("bookworm", _PACKAGES, into / "rootfs")
    oci.pack(into / "rootfs", JAVA_17.reference, into / "image.tar", ["java"])
    shutil.rmtree(into / "rootfs")


def _make_app(app: App, into: Path) -> None:
    """The project is built outside the checkout, which stays as it is."""
    if not shutil.which("javac"):
        apt.install_more(JDK)
    work = into / "work"
    shutil.copytree(app.project, work, ignore=shutil.ignore_patterns("target"))
    run(["mvn", "-q", "-B", "-DskipTests", "package"], cwd=work, env=_maven_environment())
    target, home = work / "target", into / "app"
    jar = target / "app.jar"
    if not jar.exists():
        raise LabError(f"{app.name}: `mvn package` left no target/app.jar (finalName is `app`)")
    if "BOOT-INF/" in run(["unzip", "-Z1", str(jar)]):  # unpacked, it starts a third faster
        run([JAVA, "-Djarmode=tools", "-jar", str(jar), "extract", "--destination", str(home)])
    else:
        home.mkdir()
        shutil.copy(jar, home / "app.jar")
        if (target / "lib").exists():
            shutil.copytree(target / "lib", home / "lib")
    shutil.rmtree(work)
    layer = into / "layer"
    layer.mkdir(mode=0o755)
    shutil.copytree(home, layer / "app")
    entry = ["java", *OPTIONS, "-jar", "/app/app.jar"]
    oci.pack_on(JAVA_17.archive, layer, app.reference, into / "image.tar", entry)
    shutil.rmtree(layer)


def _maven_environment() -> dict[str, str]:
    """Ours, and less of it: two cores are shared with a lab that may be running."""
    return {**os.environ, "MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def _main(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in apps()]
    if unknown:
        raise LabError(f"no app {', '.join(unknown)}: there are {', '.join(apps())}")
    build(*(names or apps()))


if __name__ == "__main__":
    try:
        _main(sys.argv[1:])
    except LabError as problem:
        sys.exit(f"lab: {problem}")
