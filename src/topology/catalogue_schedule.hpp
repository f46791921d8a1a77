#pragma once

// When to read which database's catalogue: at once when it is new or somebody asks for it, else
// when a look at it, once a minute, shows that something has changed. Pure: time is a value.

#include "base/clock.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::topology {

class catalogue_schedule {
public:
    enum class deed : std::uint8_t {
        look,  ///< ask for the count of changes alone
        read,  ///< ask for everything, and the count before it
    };

    struct step {
        std::string database;
        deed what;
    };

    /// Databases that are new are due now, others go on; those that are not named are forgotten.
    void use(const std::vector<std::string>& databases, steady_time now);

    /// One more.
    void add(const std::string& database, steady_time now);

    /// It is to be read, though not sooner than `between_requests` after the last time.
    void request(std::string_view database, steady_time now);

    bool knows(std::string_view database) const {
        return entries_.find(database) != entries_.end();
    }

    /// What is due; nothing before due(). It stays due until it is said what became of it.
    std::optional<step> next(steady_time now) const;

    /// steady_time::max() if nothing is.
    steady_time due() const noexcept;

    /// What became of a step. `count` is what the server has counted.
    void looked(std::string_view database, const std::string& count, steady_time now);
    void read(std::string_view database, const std::string& count, steady_time now);
    void failed(std::string_view database, steady_time now);

    static constexpr seconds between_looks{60};
    static constexpr seconds between_requests{1};

    /// A server that counts nothing is read once in so many looks.
    static constexpr int looks_for_a_read = 10;

private:
    struct entry {
        steady_time due{};
        deed what = deed::read;
        std::string count;  // when it was read
        int looks = 0;      // since then
        int failures = 0;
        steady_time read_at{};
    };

    entry* find(std::string_view database);

    std::map<std::string, entry, std::less<>> entries_;
};

}  // namespace pgweir::topology
