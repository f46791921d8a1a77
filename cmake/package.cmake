# What is installed, and Debian's package of it: `cpack -G DEB` in the build's folder, or ./dev package.
include(GNUInstallDirs)
install(TARGETS pgweir pgweirctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# Samples with the paths of an installed system: a folder of the service's own for the socket, and one below /var.
file(READ conf/pgweir.ini sample)
string(REPLACE "\nunix_socket_dir = /tmp\n" "\nunix_socket_dir = /run/pgweir\n" sample "${sample}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/package/pgweir.ini CONTENT "${sample}" @ONLY)
file(READ conf/cluster.ini sample)
string(REPLACE "\nroot = ../.pgweir\n" "\nroot = /var/lib/pgweir\n" sample "${sample}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/package/cluster.ini CONTENT "${sample}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS conf/pgweir.ini conf/cluster.ini)
install(FILES ${CMAKE_BINARY_DIR}/package/pgweir.ini ${CMAKE_BINARY_DIR}/package/cluster.ini DESTINATION /etc/pgweir)
install(FILES conf/userlist.txt DESTINATION /etc/pgweir PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES deploy/systemd/pgweir.service deploy/systemd/pgweir-cluster.service DESTINATION lib/systemd/system)
foreach(page pgweir.1 pgweirctl.1 pgweir.ini.5)
    string(REGEX MATCH "[0-9]$" section ${page})
    file(ARCHIVE_CREATE OUTPUT ${CMAKE_BINARY_DIR}/package/${page}.gz PATHS ${PROJECT_SOURCE_DIR}/docs/man/${page}
        FORMAT raw COMPRESSION GZip)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS docs/man/${page})
    install(FILES ${CMAKE_BINARY_DIR}/package/${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES README.md docs/operations.md docs/routing.md docs/transaction-mode.md docs/wire.md
    docs/pgbouncer-compatibility.md docs/performance.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_VENDOR pgweir)
set(CPACK_PACKAGE_CONTACT "The pgweir developers <pgweir@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "connection pooler for PostgreSQL, in place of PgBouncer")
set(CPACK_PACKAGE_DESCRIPTION "Lets many clients share few connections to PostgreSQL, and sends reads to
standbys. Reads PgBouncer's configuration and has its console. With
pgweirctl, which sets up a primary and standbys and looks after them.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postgresql-client")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(scripts ${PROJECT_SOURCE_DIR}/cmake/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)
include(CPack)
