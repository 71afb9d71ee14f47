# SPDX-License-Identifier: Apache-2.0
# What a user gets: program, decks, job scripts and their tools, documents, an environment module; and packages of it (cpack).
include(GNUInstallDirs)
set(share ${CMAKE_INSTALL_DATADIR}/peclet)
install(DIRECTORY inputs jobs DESTINATION ${share} USE_SOURCE_PERMISSIONS PATTERN __pycache__ EXCLUDE)
install(PROGRAMS tools/sweep.sh DESTINATION ${share}/tools)
install(PROGRAMS tools/convert_weights.py tools/import_ihd.py tools/load_export.py DESTINATION ${share}/tools)
install(FILES tools/sweep_list.sh tools/sweep_table.py tools/mpi_env.sh tools/pth_io.py tools/safetensors_io.py
    DESTINATION ${share}/tools)
install(FILES tools/golden/unet_golden.py DESTINATION ${share}/tools/golden) # the network of load_export.py
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB manuals docs/*.1)
install(FILES ${manuals} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
configure_file(packaging/modulefile.in ${CMAKE_BINARY_DIR}/modulefile @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/modulefile DESTINATION ${share}/modulefiles/peclet RENAME ${PROJECT_VERSION})

set(CPACK_GENERATOR TGZ)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
    list(APPEND CPACK_GENERATOR DEB)
endif()
set(CPACK_PACKAGE_NAME peclet)
set(CPACK_PACKAGE_CONTACT "the authors of peclet")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "generative models that corrupt images with fluid dynamics")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # the libraries that the program is linked to
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "openmpi-bin, python3, hdf5-tools")
include(CPack)
