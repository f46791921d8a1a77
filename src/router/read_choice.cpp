#include "router/read_choice.hpp"

namespace pgweir::router {

bool is_fresh(const host_view& host, const read_marks& marks) noexcept {
    if (host.role == host_role::primary) {
        return true;
    }
    if (marks.after.known() &&
        (host.position.timeline != marks.after.timeline || host.position.lsn < marks.after.lsn)) {
        return false;
    }
    if (marks.written != steady_time::min() && host.fresh_as_of <= marks.written) {
        return false;
    }
    return marks.seen == steady_time::min() || host.incarnation == marks.seen_incarnation ||
           host.fresh_as_of > marks.seen;
}

bool primary_shows(const cluster_view& view, const read_marks& marks) noexcept {
    if (marks.seen <= marks.written) {
        return true;
    }
    for (const host_view& host : view.hosts) {
        if (host.incarnation == marks.seen_incarnation && host.role == host_role::standby) {
            return host.shown_by_primary >= marks.seen;
        }
    }
    return true;
}

candidates readable(const cluster_view& view, bool standbys, bool primary_too) noexcept {
    candidates found;
    for (std::size_t i = 0; i < view.hosts.size(); i++) {
        const host_view& host = view.hosts[i];
        const bool wanted =
            host.role == host_role::primary ? primary_too && view.primary == i : standbys;
        if (wanted && host.may_be_read() && host.weight > 0) {
            found.add(i);
        }
    }
    return found;
}

}  // namespace pgweir::router
