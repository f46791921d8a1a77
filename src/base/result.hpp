#pragma once

// A value or an error, for functions whose failure is part of their job.

#include <boost/system/result.hpp>
#include <boost/throw_exception.hpp>

#include <stdexcept>
#include <string>

namespace pgweir {

/// What went wrong, in words for the operator: what, where and what to do next.
struct failure {
    std::string message;
};

template <typename T, typename Error = failure>
using result = boost::system::result<T, Error>;

/// Called when .value() is asked of a result that holds a failure: a bug of ours. Boost finds it
/// because it stands in the namespace of `failure`.
[[noreturn]] inline void throw_exception_from_error(
    const failure& error, const boost::source_location& where
) {
    boost::throw_with_location(std::runtime_error(error.message), where);
}

}  // namespace pgweir
