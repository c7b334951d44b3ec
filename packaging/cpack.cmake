# `cpack -G DEB` in the build directory makes one package with library, headers and tool.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_VENDOR "The sluice authors")
set(CPACK_PACKAGE_CONTACT "The sluice authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The sluice authors")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)        # Depends: from what the binaries really need
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)  # packages that link libsluice.so.0 find this one
include(CPack)
