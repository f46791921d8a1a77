#pragma once

// What a restart must not forget: for each cluster its system and the highest timeline that was
// seen on it, so that an old primary that comes first is not taken for the new one. A text file,
// one line for each cluster: its system identifier, the timeline, and the hosts that it was seen
// at, with commas between them. Replaced whole, by renaming. Blocking; one thread at a time.

#include "base/result.hpp"
#include "topology/cluster_state.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::topology {

class state_file {
public:
    /// Kept in memory alone.
    state_file() = default;

    /// Reads the file; one that is not there is empty. Fails with the line that it
    /// does not understand: what is forgotten silently may cost a database.
    static result<state_file> load(const std::string& path);

    /// What is known of the cluster at these hosts ("a:5432"): from its own line, else from one
    /// that shares most of them.
    memory recall(const std::vector<std::string>& hosts) const;

    /// Takes it into the lines; true if that changed them.
    bool remember(const std::vector<std::string>& hosts, const memory& what);

    /// Writes the lines down.
    result<void> save() const;

    const std::string& path() const noexcept { return path_; }

private:
    struct line {
        memory what;
        std::vector<std::string> hosts;
    };

    std::string path_;  // empty: not kept
    std::vector<line> lines_;
};

}  // namespace pgweir::topology
