# What every target of the project is compiled with, and how a layer (a folder of src) becomes a library.

add_library(pgweir_options INTERFACE)
target_compile_options(pgweir_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
    $<$<BOOL:${PGWEIR_WERROR}>:-Werror>)
target_include_directories(pgweir_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_include_directories(pgweir_options SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(pgweir_options INTERFACE
    BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
    PGWEIR_VERSION="${PROJECT_VERSION}")
target_link_libraries(pgweir_options INTERFACE Threads::Threads)

if(PGWEIR_SANITIZE)
    add_compile_options(-fsanitize=${PGWEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=${PGWEIR_SANITIZE})
    if(PGWEIR_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
        add_compile_options(-Wno-tsan) # Asio's fences
    endif()
endif()

# pgweir_layer(<folder> [dependency...]): the static library of one folder of src, from all its .cpp files.
# A layer links, and so may include, only what it names here and what those name.
function(pgweir_layer folder)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
    if(sources)
        add_library(pgweir_${folder} STATIC ${sources})
        set(scope PUBLIC)
    else()
        add_library(pgweir_${folder} INTERFACE) # headers only
        set(scope INTERFACE)
    endif()
    target_link_libraries(pgweir_${folder} ${scope} pgweir_options)
    foreach(dependency IN LISTS ARGN)
        if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/src/${dependency})
            target_link_libraries(pgweir_${folder} ${scope} pgweir_${dependency})
        else()
            target_link_libraries(pgweir_${folder} ${scope} ${dependency})
        endif()
    endforeach()
    set_property(GLOBAL APPEND PROPERTY PGWEIR_LAYERS ${folder})
endfunction()
