// The relay's command line.

#include "relay.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

int main(int argc, char** argv) {
    CLI::App app(
        "Copies bytes between clients and a server on loopback and looks at nothing: the floor for "
        "a pooler."
    );
    relay::options wanted;
    std::string engine = "epoll";
    app.set_version_flag("--version", std::string("relay ") + PGWEIR_VERSION);
    app.add_option("--engine", engine, "epoll or io_uring")
        ->check(CLI::IsMember({"epoll", "io_uring"}))
        ->take_last()
        ->capture_default_str();
    app.add_option("--buffer", wanted.buffer_bytes, "bytes of one receive, such as 16k")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(1024, 1024 * 1024))
        ->take_last()
        ->capture_default_str();
    app.add_option("--listen", wanted.listen_port, "port for clients");
    app.add_option("--server", wanted.server_port, "port of the server");
    app.add_flag("--check", wanted.check, "only see whether the system grants the engine");
    CLI11_PARSE(app, argc, argv);
    if (!wanted.check && (wanted.listen_port == 0 || wanted.server_port == 0)) {
        std::fprintf(stderr, "relay: --listen and --server are needed\n");
        return 2;
    }
    try {
        if (engine == "epoll") {
            relay::run_on_epoll(wanted);
        } else {
            relay::run_on_io_uring(wanted);
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "relay: %s: %s\n", engine.c_str(), error.what());
        return 1;
    }
    return 0;
}
