#pragma once

// A user's secret as it is stored (auth_file, auth_query, password=): its kind is seen from its
// text alone.

#include <cstdint>
#include <string_view>

namespace pgweir::auth {

enum class secret_kind : std::uint8_t {
    plain,
    md5,    ///< "md5" and 32 hexadecimal digits
    scram,  ///< SCRAM-SHA-256$iterations:salt$stored key:server key
};

/// Text that looks like md5 or SCRAM but is not well-formed is a plain password, as for PostgreSQL.
secret_kind classify(std::string_view stored);

}  // namespace pgweir::auth
