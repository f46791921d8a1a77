// A library needs a file; the precompiled headers are what it is for.
#include "precompiled.hpp"
