#pragma once

// Reads what databases hold: a thread that runs the same texts on each routed database, on its
// primary or else on a standby that may be read from, when catalogue_schedule.hpp says so. What the
// rows mean is the business of whoever takes them. One database after the other, each on a
// connection of its own that is closed afterwards.

#include "base/clock.hpp"
#include "router/cluster_view.hpp"
#include "topology/server_access.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::topology {

/// Takes the rows of one reading. Both functions are called on the loader's thread, which may take
/// its time.
struct row_taker {
    /// A row of the text with this index; NULL is a view without data. False: it is of no use, and
    /// the reading ends as one that has failed.
    std::function<bool(std::size_t text, std::span<const std::string_view> row)> add;

    /// Once, when all rows have come.
    std::function<void()> finish;
};

/// A database to be read, and where.
struct read_place {
    std::string database;                // as clients know it
    std::vector<server_access> servers;  // in the order of the cluster's hosts, with its dbname
    std::uint32_t cluster = 0;
};

class catalogue_loader {
public:
    /// A taker for each reading.
    using taker_maker = std::function<row_taker(const std::string& database)>;
    using view_source = std::function<router::cluster_view_ptr(std::uint32_t cluster)>;

    /// The texts are run in this order, on one connection.
    catalogue_loader(std::vector<std::string> texts, view_source views, taker_maker takers);

    /// Ends as stop() does.
    ~catalogue_loader();
    catalogue_loader(const catalogue_loader&) = delete;
    catalogue_loader& operator=(const catalogue_loader&) = delete;

    // From any thread.

    /// These databases from now on; the place named "*" is for those that are asked for later.
    void use(const std::vector<read_place>& places);

    /// The database is to be read anew soon. One that is not known is taken for one of the place
    /// "*", if there is one. Coalesced.
    void refresh(const std::string& database);

    /// Ends the thread; no taker is called any more. One that is stuck in the system's resolver is
    /// left behind.
    void stop(milliseconds patience = seconds(2));

private:
    struct state;
    class thread_body;

    std::shared_ptr<state> state_;
};

}  // namespace pgweir::topology
