#include "pool/pool_stats.hpp"

namespace pgweir::pool {

void add(pool_stats& to, const pool_stats& from) noexcept {
    to.server_assignment_count.add(from.server_assignment_count.get());
    to.xact_count.add(from.xact_count.get());
    to.query_count.add(from.query_count.get());
    to.received.add(from.received.get());
    to.sent.add(from.sent.get());
    to.xact_time.add(from.xact_time.get());
    to.query_time.add(from.query_time.get());
    to.wait_time.add(from.wait_time.get());
    to.client_parse_count.add(from.client_parse_count.get());
    to.server_parse_count.add(from.server_parse_count.get());
    to.bind_count.add(from.bind_count.get());
    to.client_login_count.add(from.client_login_count.get());
}

}  // namespace pgweir::pool
