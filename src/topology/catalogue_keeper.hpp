#pragma once

// Keeps what is known of the names in each routed database (router/catalogue) as new as it has to
// be: loads it when the database is first asked for, looks once a minute whether anything has
// changed, and sooner when somebody met a name that is not known. One thread, which reads one
// database after the other, from the primary or else from any standby.
//
// Any thread may call anything. What is loaded goes to the receiver, on the keeper's thread.

#include "base/clock.hpp"
#include "router/catalogue.hpp"
#include "topology/server_access.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace pgweir::topology {

class catalogue_keeper {
public:
    using receiver = std::function<void(std::uint32_t database, router::catalogue_ptr)>;

    /// How to get into a server that has the database now; nothing: there is none.
    using access = std::function<std::optional<server_access>()>;

    explicit catalogue_keeper(receiver take);

    /// Ends as stop() does.
    ~catalogue_keeper();
    catalogue_keeper(const catalogue_keeper&) = delete;
    catalogue_keeper& operator=(const catalogue_keeper&) = delete;

    /// From now on the catalogue of this database is kept. `database`: its number, for the
    /// receiver; `name`: for the log. To ask again costs little, and brings another access.
    void want(std::uint32_t database, const std::string& name, access how);

    /// Not any more. What is being loaded now is thrown away.
    void forget(std::uint32_t database);

    /// Something is not known that may be new, or a server can be asked again: looks soon, but not
    /// all the time.
    void refresh(std::uint32_t database);

    /// Ends the thread; the receiver is not called any more. A thread that is stuck in the system's
    /// resolver is left behind.
    void stop(milliseconds patience = seconds(2));

private:
    struct state;

    std::shared_ptr<state> state_;
};

}  // namespace pgweir::topology
