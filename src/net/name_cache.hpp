#pragma once

// What names of hosts mean: looked up by the system's resolver (/etc/hosts and all that it knows),
// and kept for some seconds for all who connect. Several addresses are used in turn.
//
// How long an answer really holds is not known to who asks the system; terms say how long it is
// kept here. An attempt that failed for the moment changes nothing that was known. All who want
// the same name at the same time share one lookup, so that no answer overtakes a newer one.
//
// Thread-safe. Who is told of addresses that are gone is called on the thread of the lookup; who
// wanted the name, on the thread of their own loops.

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace pgweir::net {

class loop;

class name_cache {
public:
    struct terms {
        microseconds keep{seconds(15)};
        microseconds keep_failure{seconds(15)};
    };

    struct answer {
        std::vector<std::string> addresses;  // numeric; at least one if `why` says nothing
        std::error_code why;
    };

    struct row {
        std::string name;
        seconds left{0};
        std::vector<std::string> addresses;
    };

    using callback = std::function<void(const answer&)>;

    /// Told of a name of which addresses are gone, or of which none were known: servers that came
    /// from another process may be anywhere. Before there are other threads.
    void on_gone(std::function<void(const std::string& name)> told) { gone_ = std::move(told); }

    void set_terms(const terms& now);

    /// What is known and still holds; the addresses begin with the one whose turn it is.
    std::optional<answer> find(std::string_view name, steady_time now);

    /// The system has answered.
    void learn(const std::string& name, answer fresh, steady_time now);

    /// What has been learnt, whether it still holds or not.
    answer next(const std::string& name);

    /// False if the name is known, and does not mean this address any more. What is no name never
    /// is.
    bool may_mean(std::string_view name, std::string_view address) const;

    std::vector<std::string> names() const;
    std::vector<row> rows(steady_time now) const;

    /// Lookups under way.
    std::size_t under_way() const;

    /// Asks the system. `done` is called from the loop, later; it may be empty.
    void look_up(loop& asker, const std::string& name, callback done);

    /// Asks the system, unless something is known.
    void get_to_know(loop& asker, const std::string& name);

private:
    struct entry {
        std::vector<std::string> addresses;
        std::error_code why;
        steady_time until{};
        std::size_t turn = 0;
    };

    struct waiter {
        loop* where;
        callback done;
    };

    static answer next_of(entry& of);
    void answered(const std::string& name, answer fresh);

    std::function<void(const std::string&)> gone_;
    mutable std::mutex mutex_;
    terms terms_;                                                    // under mutex_
    std::map<std::string, entry, std::less<>> all_;                  // under mutex_
    std::map<std::string, std::vector<waiter>, std::less<>> asked_;  // under mutex_
};

}  // namespace pgweir::net
