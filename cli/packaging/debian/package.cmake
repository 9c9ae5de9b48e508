# The Debian package, by cpack -G DEB in the build directory. Dependencies are what dpkg-shlibdeps finds.

string(TOLOWER ${PROJECT_NAME} CPACK_PACKAGE_NAME)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT ${ROVE_MAINTAINER})
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "virtual Ethernet network for virtual machines that move")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"One daemon on every host of virtual machines joins their bridges to one
Ethernet, over one UDP port. A virtual machine keeps its MAC address, its IP
addresses and its open connections when it is live-migrated to another host,
subnet or cloud: without help from the physical network, without a central
coordinator and without a detour through where it came from.
.
Traffic is encrypted from host to host, members have certificates of the
network's own authority, and locations of virtual machines stand in a private
distributed hash table inside the same port.")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})
# Absolute destinations (/etc/libvirt) need DESTDIR.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)

# What only a Debian package has; kept out of cmake --install.
set(documents ${CMAKE_CURRENT_BINARY_DIR}/debian)
file(MAKE_DIRECTORY ${documents})
execute_process(COMMAND date -u -R -d @${ROVE_SOURCE_DATE} OUTPUT_VARIABLE ROVE_DATE_RFC OUTPUT_STRIP_TRAILING_WHITESPACE)
configure_file(debian/changelog.in ${documents}/changelog.Debian @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/CHANGELOG.md ${documents}/changelog COPYONLY)
execute_process(COMMAND ${ROVE_GZIP} -9nfk ${documents}/changelog.Debian ${documents}/changelog)
configure_file(debian/lintian-overrides ${documents}/lintian-overrides COPYONLY)

set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/conffiles)
set(CPACK_INSTALL_SCRIPTS ${documents}/install.cmake)
configure_file(debian/install.cmake.in ${documents}/install.cmake @ONLY)
set(CPACK_PROJECT_CONFIG_FILE ${documents}/reproducible.cmake)
file(WRITE ${documents}/reproducible.cmake "set(ENV{SOURCE_DATE_EPOCH} ${ROVE_SOURCE_DATE})\n")

include(CPack)
