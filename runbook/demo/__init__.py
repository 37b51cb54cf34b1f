"""The demo: a small shop of real processes on this machine, and the ways in which it breaks.

Owns the shop, its supervisor and its incidents. The recovery is not here: it is done by the engine and a playbook, as
on a real host. Nothing is imported here, because every process of the shop imports this package when it starts.

    shop         opens, starts, breaks, measures and stops the whole
    incident     the list of incidents and the playbook that heals each
    layout       where everything lies in the shop's folder
    repository   the configuration and its history in git
    supervisor   keeps the processes running; service, unit, tree, control belong to it
    database     a backend with a hard limit of connections
    order        the order service; pool is its connection pool
    load         the shoppers
    inventory    the inventory service; inventory_switch, _cache and _number belong to it, _load is the checkout,
                 _unit starts both, _incident takes their connections away
    metric       counters and the Prometheus text format
    process      what all shop processes have in common
"""
