#include "auth/hba.hpp"
#include "auth/ident_map.hpp"

#include <fmt/format.h>

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace pgweir::auth {

namespace {

using open_file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

result<std::string> read_whole(const std::string& path) {
    const auto failed = [&] {
        return failure{fmt::format("cannot read \"{}\": {}", path, std::strerror(errno))};
    };
    const open_file file(std::fopen(path.c_str(), "re"), &std::fclose);
    if (!file) {
        return failed();
    }
    std::string text;
    char chunk[4096];
    while (const std::size_t count = std::fread(chunk, 1, sizeof chunk, file.get())) {
        text.append(chunk, count);
    }
    if (std::ferror(file.get()) != 0) {
        return failed();
    }
    return result<std::string>(boost::system::in_place_value, std::move(text));
}

/// The bytes of an IP address; empty for addresses of another kind.
std::string address_bytes(const sockaddr* address) {
    std::string bytes;
    if (address != nullptr && address->sa_family == AF_INET) {
        in_addr ip = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
        bytes.assign(reinterpret_cast<const char*>(&ip), sizeof ip);
    } else if (address != nullptr && address->sa_family == AF_INET6) {
        in6_addr ip = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
        bytes.assign(reinterpret_cast<const char*>(&ip), sizeof ip);
    }
    return bytes;
}

result<std::vector<hba_network>> local_networks() {
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) {
        return failure{fmt::format("cannot list the network interfaces: {}", std::strerror(errno))};
    }
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, &freeifaddrs);
    std::vector<hba_network> networks;
    for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
        hba_network network{address_bytes(at->ifa_addr), address_bytes(at->ifa_netmask)};
        if (!network.address.empty() && network.address.size() == network.mask.size()) {
            networks.push_back(std::move(network));
        }
    }
    return networks;
}

}  // namespace

result<hba_rules> load_hba(const std::string& path) {
    const auto text = read_whole(path);
    if (!text) {
        return text.error();
    }
    auto networks = local_networks();
    if (!networks) {
        return networks.error();
    }
    return hba_rules::parse(*text, path, &read_whole, *std::move(networks));
}

result<ident_map> load_ident(const std::string& path) {
    const auto text = read_whole(path);
    return text ? ident_map::parse(*text, path) : text.error();
}

}  // namespace pgweir::auth
