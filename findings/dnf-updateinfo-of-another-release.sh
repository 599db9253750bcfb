#!/bin/sh
# dnf 4.14.0 (Debian 12): `dnf updateinfo list --updates` lists an erratum of another release, although no repository has its packages.
#
# Guess: `--updates` leaves the errata whose packages the repositories offer, and of a file of errata for several releases, those of
#   the own release. So the list is what an upgrade would bring, and after an upgrade it is empty.
# Behaviour: the name of a collection is not looked at, and an erratum counts if it names a newer version of an installed package
#   that any repository has any newer version of. That is what the manual says, read closely. `dnf check-update --advisory=ID` asks
#   for the packages themselves: its exit code is 100 if there is something to upgrade.
# Seen: listed: OWN-1 OTHER-1, check-update: OWN-1 100, OTHER-1 0
#
# It unpacks Debian's packages in a temporary folder, makes a system of one package and a repository there, fails when the behaviour
# has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
dnf=4.14.0-3+deb12u1 libdnf=0.69.0-2 rpm=4.18.0+dfsg-1+deb12u1
apt-get -qq download dnf=$dnf dnf-data=$dnf python3-dnf=$dnf libdnf2=$libdnf python3-hawkey=$libdnf python3-libdnf=$libdnf \
  rpm=$rpm rpm-common=$rpm librpm9=$rpm librpmio9=$rpm librpmbuild9=$rpm librpmsign9=$rpm python3-rpm=$rpm \
  libassuan0 libbrotli1 libcomps0 libcurl3-gnutls libdw1 libfsverity0 libglib2.0-0 libgomp1 libgpgme11 libicu72 libldap-2.5-0 \
  liblua5.3-0 libmagic1 libmagic-mgc libmodulemd2 libnghttp2-14 libpsl5 libpython3.11 librepo0 librtmp1 libsasl2-2 libsolv1 \
  libsolvext1 libssh2-1 libxml2 libyaml-0-2 python3-gpg python3-libcomps 2>apt.log || { cat apt.log >&2; exit 1; }
for package in *.deb; do dpkg-deb --extract "$package" tree; done
# Users other than root have their caches where this file says.
sed -i "s|'/var/tmp/'|'$folder/'|" tree/usr/lib/python3/dist-packages/dnf/const.py
LD_LIBRARY_PATH=$(echo "$folder"/tree/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH HOME="$folder" LC_ALL=C.UTF-8 RPM_CONFIGDIR="$folder/tree/usr/lib/rpm" \
  PYTHONPATH="$folder/tree/usr/lib/python3/dist-packages"

# The system has web 1.0-1, the repository 1.1-1.
printf '%%_topdir %s/build\n%%_tmppath %s\n%%_dbpath /var/lib/rpm\n' "$folder" "$folder" >.rpmmacros
printf 'Name: web\nVersion: 1.0\nRelease: 1\nSummary: None\nLicense: None\nBuildArch: noarch\n%%description\n%%files\n' >web.spec
tree/usr/bin/rpmbuild --dbpath "$folder/none" -bb web.spec >rpm.log 2>&1
tree/usr/bin/rpm --dbpath "$folder/root/var/lib/rpm" -i --justdb --nodeps --noplugins build/RPMS/noarch/web-1.0-1.noarch.rpm >>rpm.log 2>&1
mkdir -p repository/repodata
cat >repository/repodata/primary.xml <<'XML'
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
  <package type="rpm">
    <name>web</name><arch>noarch</arch><version epoch="0" ver="1.1" rel="1"/>
    <checksum type="sha256" pkgid="YES">0000000000000000000000000000000000000000000000000000000000000000</checksum>
    <summary>None</summary><description>None</description><location href="web-1.1-1.noarch.rpm"/>
    <format>
      <rpm:license>None</rpm:license>
      <rpm:provides><rpm:entry name="web" flags="EQ" epoch="0" ver="1.1" rel="1"/></rpm:provides>
    </format>
  </package>
</metadata>
XML

# Prints an erratum: its id, the version of its package and the name of its collection.
erratum() {
  cat <<XML
  <update from="nobody" status="final" type="security" version="1">
    <id>$1</id><title>$1</title><issued date="2026-01-05 00:00:00"/><release>$3</release>
    <pkglist>
      <collection short="$3">
        <name>$3</name>
        <package name="web" version="$2" release="1" epoch="0" arch="noarch"><filename>web-$2-1.noarch.rpm</filename></package>
      </collection>
    </pkglist>
  </update>
XML
}

(echo '<updates>' && erratum OWN-1 1.1 release-9 && erratum OTHER-1 2.0 release-10 && echo '</updates>') >repository/repodata/updateinfo.xml
{
  echo '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
  for kind in primary updateinfo; do
    sum=$(sha256sum <repository/repodata/$kind.xml)
    echo "<data type=\"$kind\"><checksum type=\"sha256\">${sum%% *}</checksum><location href=\"repodata/$kind.xml\"/></data>"
  done
  echo '</repomd>'
} >repository/repodata/repomd.xml
cat >dnf.conf <<CONF
[main]
plugins=0
reposdir=$folder/none
cachedir=/cache
logdir=/log
persistdir=/persist
module_platform_id=platform:el9
[planted]
name=planted
baseurl=file://$folder/repository
gpgcheck=0
CONF

ask() {
  /usr/bin/python3 tree/usr/bin/dnf-3 --quiet --config dnf.conf --installroot "$folder/root" --releasever 9 "$@"
}

listed=$(ask updateinfo list --updates | cut -d' ' -f1 | paste -sd' ')
ask check-update --advisory=OWN-1 >own.log && own=0 || own=$?
ask check-update --advisory=OTHER-1 >other.log && other=0 || other=$?
echo "listed: $listed, check-update: OWN-1 $own, OTHER-1 $other"
[ "$listed, $own, $other" = "OWN-1 OTHER-1, 100, 0" ]
