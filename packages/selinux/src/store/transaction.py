"""Runs one transaction of libsemanage: modules, booleans and dontaudit together. semodule(8) and setsebool(8) would need one transaction each.

The only argument is a JSON file: root, type, reload, remove, install (files), enable, disable, booleans (name to 0, 1 or null), declared (names of
booleans that come with a module), rebuild, silent. Prints `boolean NAME 0` for each value in the policy after the transaction. Prints the reason of a
failure on standard error.
"""

import json
import sys

try:
    import selinux
    import semanage
except ImportError as error:
    sys.exit(f"no library: {error}")

PRIORITY = 400


def made(result):
    """Returns the object of a constructor, which returns a code before the object. A code below 0 has already raised an exception."""
    return result[1]


def boolean(handle, name):
    return made(semanage.semanage_bool_key_create(handle, name))


def set_boolean(handle, name, value):
    key = boolean(handle, name)
    if value is None:
        if made(semanage.semanage_bool_exists_local(handle, key)):
            semanage.semanage_bool_del_local(handle, key)
        return
    record = made(semanage.semanage_bool_create(handle))
    semanage.semanage_bool_set_name(handle, record, name)
    semanage.semanage_bool_set_value(record, value)
    semanage.semanage_bool_modify_local(handle, key, record)


def set_enabled(handle, name, value):
    key = made(semanage.semanage_module_key_create(handle))
    semanage.semanage_module_key_set_name(handle, key, name)
    semanage.semanage_module_set_enabled(handle, key, value)


def load(values):
    """Sets booleans in the kernel, which keeps its values when a policy is loaded. Done here, because the calling process may be killed."""
    try:
        for name, value in values.items():
            selinux.security_set_boolean(name, value)
        if values:
            selinux.security_commit_booleans()
    except OSError:
        pass  # The calling process reads the values back and tries again.


def exists(handle, name):
    return made(semanage.semanage_bool_exists(handle, boolean(handle, name)))


def commit(request):
    if request["root"] != "/":
        semanage.semanage_set_root(request["root"])
    handle = semanage.semanage_handle_create()
    semanage.semanage_select_store(handle, request["type"], semanage.SEMANAGE_CON_DIRECT)
    semanage.semanage_set_reload(handle, request["reload"])
    semanage.semanage_connect(handle)
    semanage.semanage_begin_transaction(handle)
    semanage.semanage_set_default_priority(handle, PRIORITY)
    # The commit drops a value for a boolean that the policy does not have, without a message.
    for name, value in request["booleans"].items():
        if value is not None and name not in request["declared"] and not exists(handle, name):
            sys.exit(f"no boolean: {name}")
    for name in request["remove"]:
        semanage.semanage_module_remove(handle, name)
    for file in request["install"]:
        semanage.semanage_module_install_file(handle, file)
    for name in request["enable"]:
        set_enabled(handle, name, 1)
    for name in request["disable"]:
        set_enabled(handle, name, 0)
    for name, value in request["booleans"].items():
        set_boolean(handle, name, value)
    if request["silent"] is not None:
        semanage.semanage_set_disable_dontaudit(handle, int(not request["silent"]))
    if request["rebuild"] or request["silent"] is not None:
        semanage.semanage_set_rebuild(handle, 1)
    semanage.semanage_commit(handle)
    values = {}
    for name in request["booleans"]:
        # Reading the value of a boolean that does not exist ends the process.
        if exists(handle, name):
            record = made(semanage.semanage_bool_query(handle, boolean(handle, name)))
            values[name] = semanage.semanage_bool_get_value(record)
            print("boolean", name, values[name])
    semanage.semanage_disconnect(handle)
    if request["reload"]:
        load(values)


try:
    with open(sys.argv[1], encoding="utf-8") as file:
        commit(json.load(file))
except OSError as error:
    # The library has printed the reason on standard error.
    sys.exit(f"libsemanage: {error.strerror or error}")
