#pragma once

// Carries out the actions of a plan on this machine: knows for each how to see whether it is so
// already and how to make it so, and decides nothing else. Blocking; one thread. Runs as the user
// that owns the servers (see ctl/identity). The settings, the secrets and the runner must outlive
// it.

#include "base/result.hpp"
#include "cluster/connection.hpp"
#include "cluster/plan.hpp"
#include "cluster/programs.hpp"
#include "cluster/secrets.hpp"
#include "cluster/server_conf.hpp"
#include "cluster/settings.hpp"

#include <filesystem>
#include <string>

namespace pgweir::cluster {

/// What the operator should know besides that a step was done; may be empty.
struct note {
    std::string text;
};

/// The face that the runner of plans sees; tests have another one behind it.
class action_executor {
public:
    virtual ~action_executor() = default;

    /// True if it is so. A failure means that it cannot be seen (a server that does not run yet).
    virtual result<bool> is_done(const action& what) = 0;

    /// Makes it so.
    virtual result<note> perform(const action& what) = 0;
};

class executor final : public action_executor {
public:
    executor(
        const cluster_settings& cluster,
        const cluster_secrets& secrets,
        std::filesystem::path bin_dir,
        program_runner& programs
    );

    result<bool> is_done(const action& what) override;
    result<note> perform(const action& what) override;

    /// As superuser over the Unix socket of a server on this machine.
    result<connection> connect_locally(const node& server, const std::string& database) const;

    /// To a server on another machine, in the role with which standbys follow.
    result<connection> connect_from_afar(const node& server) const;

    /// What the primary has of that a standby may not have less, over a replication connection.
    result<standby_minimums> ask_minimums() const;

    /// The primary's major version, over a replication connection.
    result<int> ask_primary_major() const;

private:
    /// How the data of a server that does not run stand to the primary's timeline.
    enum class history {
        continued,    ///< cleanly stopped before the primary's left it: it only has to follow
        parted,       ///< it may have what the primary has not: pg_rewind looks
        same_number,  ///< of the primary's own timeline, or of another one with its number
        newer,        ///< it has gone on where the primary has not
    };

    result<bool> done(const act::make_directory& what) const;
    result<bool> done(const act::write_file& what) const;
    result<bool> done(const act::keep_password& what) const;
    result<bool> done(const act::place_block& what) const;
    result<bool> done(const act::require_port& what) const;
    result<bool> done(const act::require_disk& what) const;
    result<bool> done(const act::require_primary_data& what) const;
    result<bool> done(const act::init_data& what) const;
    result<bool> done(const act::start_server& what) const;
    result<bool> done(const act::stop_server& what) const;
    result<bool> done(const act::apply_settings& what) const;
    result<bool> done(const act::sql& what) const;
    result<bool> done(const act::ensure_login& what) const;
    result<bool> done(const act::wait_for_primary& what) const;
    result<bool> done(const act::ensure_slot& what) const;
    result<bool> done(const act::free_data_directory& what) const;
    result<bool> done(const act::base_backup& what) const;
    result<bool> done(const act::local_sql& what) const;
    result<bool> done(const act::set_synchronous& what) const;
    result<bool> done(const act::require_streaming& what) const;
    result<bool> done(const act::require_promotion_right& what) const;
    result<bool> done(const act::hold_work& what) const;
    result<bool> done(const act::release_work& what) const;
    result<bool> done(const act::require_everything_received& what) const;
    result<bool> done(const act::promote_server& what) const;
    result<bool> done(const act::stop_unless_following& what) const;
    result<bool> done(const act::match_history& what) const;
    result<bool> done(const act::follow_primary& what) const;
    result<bool> done(const act::drop_slots& what) const;
    result<bool> done(const act::drop_primary_slot& what) const;
    result<bool> done(const act::take_backup& what) const;
    result<bool> done(const act::prune_backups& what) const;
    result<bool> done(const act::remove_path& what) const;
    result<bool> done(const act::remove_if_empty& what) const;

    result<note> act_on(const act::make_directory& what);
    result<note> act_on(const act::write_file& what);
    result<note> act_on(const act::keep_password& what);
    result<note> act_on(const act::place_block& what);
    result<note> act_on(const act::require_port& what);
    result<note> act_on(const act::require_disk& what);
    result<note> act_on(const act::require_primary_data& what);
    result<note> act_on(const act::init_data& what);
    result<note> act_on(const act::start_server& what);
    result<note> act_on(const act::stop_server& what);
    result<note> act_on(const act::apply_settings& what);
    result<note> act_on(const act::sql& what);
    result<note> act_on(const act::ensure_login& what);
    result<note> act_on(const act::wait_for_primary& what);
    result<note> act_on(const act::ensure_slot& what);
    result<note> act_on(const act::free_data_directory& what);
    result<note> act_on(const act::base_backup& what);
    result<note> act_on(const act::local_sql& what);
    result<note> act_on(const act::set_synchronous& what);
    result<note> act_on(const act::require_streaming& what);
    result<note> act_on(const act::require_promotion_right& what);
    result<note> act_on(const act::hold_work& what);
    result<note> act_on(const act::release_work& what);
    result<note> act_on(const act::require_everything_received& what);
    result<note> act_on(const act::promote_server& what);
    result<note> act_on(const act::stop_unless_following& what);
    result<note> act_on(const act::match_history& what);
    result<note> act_on(const act::follow_primary& what);
    result<note> act_on(const act::drop_slots& what);
    result<note> act_on(const act::drop_primary_slot& what);
    result<note> act_on(const act::take_backup& what);
    result<note> act_on(const act::prune_backups& what);
    result<note> act_on(const act::remove_path& what);
    result<note> act_on(const act::remove_if_empty& what);

    result<program_output> run(
        const std::string& program,
        const std::vector<std::string>& arguments,
        program_progress progress = program_progress::quiet
    ) const;
    result<program_output> copy_primary(const node& standby, const std::filesystem::path& target)
        const;
    result<note> run_pg_ctl(const node& server, const std::vector<std::string>& arguments);
    void forget_ended_process(const node& server) const;
    result<note> wait_until_it_answers(const node& server) const;
    result<connection> connect_as(const act::ensure_login& what) const;
    result<connection> connect_for_replication() const;
    result<bool> is_copy_of_primary(const node& standby) const;
    result<bool> same_cluster_as_primary(const node& server) const;
    result<history> history_of(const node& server) const;
    result<note> rewind(const node& server);
    result<void> clean_archive(const std::vector<std::filesystem::path>& backups) const;
    std::string conninfo_to_primary(const node& server) const;
    result<std::string> one_value(const node& server, const std::string& statement) const;

    const cluster_settings& cluster_;
    const cluster_secrets& secrets_;
    const std::filesystem::path bin_dir_;
    program_runner& programs_;
};

}  // namespace pgweir::cluster
