#include "router/builtin.hpp"

#include <algorithm>
#include <array>

namespace pgweir::router {

namespace {

constexpr judgement harmless_read{true, reason::read, true};

constexpr judgement not_read(reason why) noexcept {
    return {false, why, false};
}

constexpr bool in(std::string_view name, const auto& sorted) noexcept {
    return std::binary_search(sorted.begin(), sorted.end(), name);
}

bool begins(std::string_view name, const auto& prefixes) noexcept {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
        return name.starts_with(prefix);
    });
}

/// Volatile because each call answers anew, or because they look at catalogues with their own eyes;
/// they change nothing, and what they look at is the same everywhere.
constexpr std::array harmless = std::to_array<std::string_view>({
    "array_sample",
    "array_shuffle",
    "bernoulli",  // of TABLESAMPLE, as system is
    "clock_timestamp",
    "gen_random_uuid",
    "pg_column_compression",
    "pg_column_size",
    "pg_column_toast_chunk_id",
    "pg_get_publication_tables",
    "pg_partition_ancestors",
    "pg_partition_root",
    "pg_partition_tree",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "random",
    "random_normal",
    "system",
    "timeofday",
    "uuidv4",
    "uuidv7",
});

static_assert(std::is_sorted(harmless.begin(), harmless.end()));

/// They read what their arguments name, or make values of a type that these name: nobody sees
/// there what is called.
constexpr std::array hidden = std::to_array<std::string_view>({
    "array_in",
    "array_recv",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "domain_in",
    "domain_recv",
    "multirange_in",
    "multirange_recv",
    "range_in",
    "range_recv",
    "record_in",
    "record_recv",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
});

static_assert(std::is_sorted(hidden.begin(), hidden.end()));

/// Each server, or each session, has its own answer.
constexpr std::array server_state_prefixes = std::to_array<std::string_view>({
    "binary_upgrade_",
    "inet_client_",
    "inet_server_",
    "pg_available_",
    "pg_backup_",
    "pg_collation_actual_version",
    "pg_conf_load_time",
    "pg_config",
    "pg_control_",
    "pg_current_snapshot",
    "pg_current_wal_",
    "pg_current_xact_id",
    "pg_current_xlog_",
    "pg_current_logfile",
    "pg_database_collation_actual_version",
    "pg_database_size",
    "pg_event_trigger_",
    "pg_extension_update_paths",
    "pg_get_aios",
    "pg_get_backend_",
    "pg_get_loaded_modules",
    "pg_get_multixact_members",
    "pg_get_process_memory_contexts",
    "pg_get_replication_",
    "pg_get_shmem_",
    "pg_get_wal_",
    "pg_hba_file_",
    "pg_ident_file_",
    "pg_indexes_size",
    "pg_is_",
    "pg_isolation_test_",
    "pg_jit_available",
    "pg_last_",
    "pg_lock_status",
    "pg_ls_",
    "pg_mxact_",
    "pg_notification_queue_usage",
    "pg_numa_",
    "pg_postmaster_start_time",
    "pg_prepared_xact",
    "pg_read_",
    "pg_relation_size",
    "pg_safe_snapshot_",
    "pg_sequence_last_value",
    "pg_show_",
    "pg_shmem_",
    "pg_stat_",
    "pg_table_size",
    "pg_tablespace_",
    "pg_timezone_names",
    "pg_total_relation_size",
    "pg_wal_",
    "pg_walfile_",
    "pg_xact_",
    "pg_xlog",
    "pg_blocking_pids",
    "txid_current",
    "txid_status",
});

constexpr std::array session_state = std::to_array<std::string_view>({
    "current_setting",
    "currval",
    "lastval",
    "mxid_age",
    "pg_backend_pid",
    "pg_cursor",
    "pg_listening_channels",
    "pg_my_temp_schema",
    "pg_prepared_statement",
    "pg_trigger_depth",
    "set_config",
    "setseed",
});

static_assert(std::is_sorted(session_state.begin(), session_state.end()));

constexpr std::array writing_prefixes = std::to_array<std::string_view>({
    "lo_",
    "pg_create_",
    "pg_drop_",
    "pg_logical_",
    "pg_notify",
    "pg_promote",
    "pg_replication_",
    "pg_switch_",
});

constexpr std::array writing = std::to_array<std::string_view>({
    "lowrite",
    "nextval",
    "setval",
});

constexpr std::array locking_prefixes = std::to_array<std::string_view>({
    "pg_advisory_",
    "pg_export_snapshot",
    "pg_try_advisory_",
});

constexpr std::array local_relation_prefixes = std::to_array<std::string_view>({
    "pg_aios",
    "pg_available_",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_cursors",
    "pg_dsm_",
    "pg_file_settings",
    "pg_hba_file_",
    "pg_ident_file_",
    "pg_locks",
    "pg_prepared_",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_sequences",
    "pg_settings",
    "pg_shmem_",
    "pg_stat_",
    "pg_statio_",
    "pg_timezone_names",
    "pg_wait_events",
});

}  // namespace

judgement builtin_function(std::string_view name, volatility declared) noexcept {
    if (begins(name, locking_prefixes)) {
        return not_read(reason::locks);
    }
    if (in(name, writing) || begins(name, writing_prefixes)) {
        return not_read(reason::writes);
    }
    if (in(name, session_state)) {
        return not_read(reason::session_state);
    }
    if (begins(name, server_state_prefixes)) {
        return not_read(reason::server_state);
    }
    if (in(name, hidden)) {
        return not_read(reason::function);
    }
    if (declared != volatility::is_volatile || in(name, harmless)) {
        return harmless_read;
    }
    return not_read(reason::function);
}

bool runs_its_arguments(std::string_view name) noexcept {
    return name.starts_with("crosstab") || name == "connectby" || name == "xpath_table";
}

judgement builtin_relation(std::string_view name) noexcept {
    if (begins(name, local_relation_prefixes) && name != "pg_stat_ext") {
        return not_read(reason::server_state);
    }
    return harmless_read;
}

}  // namespace pgweir::router
