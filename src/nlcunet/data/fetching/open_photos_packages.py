"""The Debian packages that open-photos is taken from, as their suites' signed indices described them on 2026-11-24."""

from nlcunet.data.fetching.debian import Package

PACKAGES = {
    package.name: package
    for package in (
        Package(
            name="budgie-backgrounds",
            suite="sid",
            pool_path="pool/main/b/budgie-backgrounds/budgie-backgrounds_4.2-1_all.deb",
            size_bytes=19_413_168,
            sha256="114f980efcd2924b49b9201286ee212c97b4f3b0b84add4e983238f9a7b11896",
            sha1="3c4417b442b6ff44b23d33ccc9c7f98b1dc1ed58",
        ),
        Package(
            name="endless-sky-high-dpi",
            suite="sid",
            pool_path="pool/main/e/endless-sky-high-dpi/endless-sky-high-dpi_0.11.0-1_all.deb",
            size_bytes=737_712_976,
            sha256="bff96f1b0a395636bff43072f605e2e90be5fa7b4128917224e25e5647fc245d",
            sha1="cc3b383fc3613bd10ac1572c817de77b89868e45",
        ),
        Package(
            name="gnome-backgrounds",
            suite="bullseye",
            pool_path="pool/main/g/gnome-backgrounds/gnome-backgrounds_3.38.0-1_all.deb",
            size_bytes=40_891_268,
            sha256="76d8a4c52e5f346d9cb08bc8a1f58ad443d2bae211721af8a7248457c7a520e8",
            sha1="fc12fabdca20a4e4d56a13c1de9145d56322263f",
        ),
        Package(
            name="libjxl-testdata",
            suite="bookworm",
            pool_path="pool/main/libj/libjxl-testdata/libjxl-testdata_0.0%7egit20230110.d6168ff-1_all.deb",
            size_bytes=55_818_872,
            sha256="a58523413f486760a0f3cbc931142a27e3aa25f77315b862046f089ed34aa2c7",
            sha1="ede3b99cf189cd48ab7157b9841befa1f3b97063",
        ),
        Package(
            name="lomiri-wallpapers-16.04",
            suite="bookworm",
            pool_path="pool/main/l/lomiri-wallpapers/lomiri-wallpapers-16.04_20.04.0-2_all.deb",
            size_bytes=15_783_184,
            sha256="a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
            sha1="8e9b31978f0c3fb81cc11870e34aeed65f2ca77f",
        ),
        Package(
            name="palapeli-data",
            suite="bookworm",
            pool_path="pool/main/p/palapeli/palapeli-data_22.12.3-1_all.deb",
            size_bytes=2_136_268,
            sha256="69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
            sha1="c59b8c1e7d5a690a78822194e60d8e3ceb8d6260",
        ),
        Package(
            name="plasma-workspace-wallpapers",
            suite="bookworm",
            pool_path="pool/main/p/plasma-workspace-wallpapers/plasma-workspace-wallpapers_5.27.5-2_all.deb",
            size_bytes=94_047_772,
            sha256="32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
            sha1="8fac93e594ffa538f58b695e3c5d45267f6809c8",
        ),
        Package(
            name="ukui-wallpapers",
            suite="sid",
            pool_path="pool/main/u/ukui-wallpapers/ukui-wallpapers_20.04.4-1_all.deb",
            size_bytes=98_354_684,
            sha256="3e9036f3e9fa197e3ff8fc6551eeba208f31ac99cba06da052e49a00d77ed62d",
            sha1="0a6ab692acb1c59f0f2e8e1a2010a85e379497ee",
        ),
    )
}
"""By name."""
