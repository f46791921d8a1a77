#pragma once

// The text of the files that say who may log in: pg_hba.conf and pg_ident.conf of the servers,
// the password file of a standby, the user list of pgweir. Pure; texts that hold passwords are
// written with mode 0600 by whoever writes them, and shown nowhere.
// PostgreSQL's manual: "The pg_hba.conf File", "User Name Maps", "The Password File".

#include "base/secret.hpp"
#include "cluster/settings.hpp"

#include <string>
#include <string_view>

namespace pgweir::cluster {

/// Rules for the roles of the cluster, limited to its networks; a standby has the same ones, for
/// it may become the primary.
std::string hba_rules(const cluster_settings& cluster);

/// Lets the system's user that owns the servers in as superuser over the Unix socket.
std::string ident_rules(const cluster_settings& cluster, std::string_view system_user);

/// How a generated part is put into a file that may hold other lines.
enum class placement {
    first,  ///< Before what is there: first match wins in pg_hba.conf.
    last,   ///< After what is there.
    alone,  ///< What was there goes.
};

/// `existing` with the block in it, between two marking comments. A block that is there already is
/// replaced where it stands, whatever the placement, so that applying it twice changes nothing.
std::string with_block(std::string_view existing, std::string_view block, placement where);

/// The line for postgresql.conf that reads pgweir.conf. Goes last, for initdb's own values stand
/// above; what the operator writes below it wins.
std::string include_line();

/// A password file for replication from any server of the cluster.
std::string pgpass_text(const std::string& role, const secret& password);

/// userlist.txt of pgweir: the application's role and the administrator of the console.
std::string userlist_text(
    const cluster_settings& cluster, const secret& application, const secret& console
);

}  // namespace pgweir::cluster
