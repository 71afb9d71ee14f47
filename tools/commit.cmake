# SPDX-License-Identifier: Apache-2.0
# Writes OUT with the commit of SOURCE, only when it changed: cmake -DSOURCE=.. -DOUT=.. -DVERSION=.. -DBUILD=.. -P commit.cmake
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
    set(commit unknown)
endif()
string(REGEX REPLACE "([\\\"])" "\\\\\\1" BUILD "${BUILD}") # flags may hold quotes
set(text "#define PECLET_COMMIT \"${commit}\"\n#define PECLET_VERSION \"${VERSION}\"\n#define PECLET_BUILD \"${BUILD}\"\n")
if(EXISTS ${OUT})
    file(READ ${OUT} old)
endif()
if(NOT text STREQUAL "${old}")
    file(WRITE ${OUT} ${text})
endif()
