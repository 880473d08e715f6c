import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.inventory.collectors import opkg
from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership

STATUS = """\
Package: libubox20230523
Version: 2023-05-23-75a3b870-1
Depends: libc
Provides: libubox
Status: install user installed
ABIVersion: 20230523
Architecture: x86_64
Conffiles:
 /etc/x 0123456789abcdef
Installed-Time: 1699996199

Package: removed
Version: 1
Status: deinstall ok not-installed
Architecture: all

Package: busybox
Version: 1.36.1-r0
Status: install ok installed
Architecture: core2-64
License: GPL-2.0-only & bzip2-1.0.4
Maintainer: Poky <poky@lists.yoctoproject.org>

Package: nameless
Status: install ok installed
"""


def test_a_status_file() -> None:
    path = "usr/lib/opkg/status"
    assert list(opkg.parse(path, STATUS.encode())) == [
        Package(
            type="opkg",
            name="libubox20230523",
            version="2023-05-23-75a3b870-1",
            arch="x86_64",
            source_name="libubox20230523",
            source_version="2023-05-23-75a3b870-1",
            locations=(path,),
        ),
        Package(
            type="opkg",
            name="busybox",
            version="1.36.1-r0",
            arch="core2-64",
            source_name="busybox",
            source_version="1.36.1-r0",
            licenses=("GPL-2.0-only & bzip2-1.0.4",),
            vendor="Poky <poky@lists.yoctoproject.org>",
            locations=(path,),
        ),
    ]


@pytest.mark.parametrize("text", ["/usr/lib/a.so\n/etc/b\n\n", "/usr/lib/a.so\t0100755\n/etc/b\t0100644\n"])
def test_a_list_of_files(text: str) -> None:
    expected = Ownership(paths=("usr/lib/a.so", "etc/b"))
    assert list(opkg.parse("usr/lib/opkg/info/a.list", text.encode())) == [expected]


@given(st.sampled_from(opkg.PATHS), st.text())
def test_arbitrary_files(path: str, text: str) -> None:
    for record in opkg.parse(path.replace("*", "a"), text.encode("utf-8", "surrogatepass")):
        assert isinstance(record, Package | Ownership)
