/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/own-machine.h"

/* A number of 64 bits that stands in the object as a text "0x...". */
typedef struct {
    const char *name;
    gsize off;    /* in the struct */
    guint size;   /* bytes there: 4 or 8 */
    guint count;  /* how many in a row: an array if above 1 */
    guint32 part; /* DkCpuParts that says whether it is known; 0: where it is not 0 */
} Field;

#define CPU(member, count, part)                                \
    {                                                           \
#member, G_STRUCT_OFFSET(DkCpu, member), 8, count, part \
    }

static const Field cpu_fields[] = {
    CPU(cr8, 1, DK_CPU_CR8),
    CPU(dr, 8, DK_CPU_DEBUG),
    CPU(efer, 1, DK_CPU_EFER),
    CPU(star, 1, DK_CPU_SYSCALL),
    CPU(lstar, 1, DK_CPU_SYSCALL),
    CPU(cstar, 1, DK_CPU_SYSCALL),
    CPU(fmask, 1, DK_CPU_SYSCALL),
    CPU(kernel_gs_base, 1, DK_CPU_KERNEL_GS),
    CPU(sysenter_cs, 1, DK_CPU_SYSENTER),
    CPU(sysenter_esp, 1, DK_CPU_SYSENTER),
    CPU(sysenter_eip, 1, DK_CPU_SYSENTER),
};

#define WIDE(member)                                              \
    {                                                             \
#member, G_STRUCT_OFFSET(DkWindowsFacts, member), 8, 1, 0 \
    }
#define NARROW(member)                                            \
    {                                                             \
#member, G_STRUCT_OFFSET(DkWindowsFacts, member), 4, 1, 0 \
    }

static const Field windows_fields[] = {
    NARROW(dump_type),
    NARROW(major),
    NARROW(build),
    WIDE(pfn_database_va),
    WIDE(ps_loaded_module_list_va),
    WIDE(ps_active_process_head_va),
    WIDE(kdbg_va),
    NARROW(bugcheck_code),
    {"bugcheck_params", G_STRUCT_OFFSET(DkWindowsFacts, bugcheck_params), 8, 4, 0},
    WIDE(system_time),
    WIDE(up_time),
    NARROW(product_type),
    NARROW(suite_mask),
};

/* --- writing --- */

static void hex(char text[24], guint64 value)
{
    g_snprintf(text, 24, "0x%" G_GINT64_MODIFIER "x", value);
}

static guint64 load(const void *base, const Field *field, guint index)
{
    const guint8 *at = (const guint8 *)base + field->off + (gsize)index * field->size;
    return field->size == 4 ? *(const guint32 *)(const void *)at
                            : *(const guint64 *)(const void *)at;
}

static void put_field(JsonObject *object, const void *base, const Field *field)
{
    char text[24];
    if (field->count == 1) {
        hex(text, load(base, field, 0));
        json_object_set_string_member(object, field->name, text);
        return;
    }
    JsonArray *array = json_array_new();
    for (guint i = 0; i < field->count; i++) {
        hex(text, load(base, field, i));
        json_array_add_string_element(array, text);
    }
    json_object_set_array_member(object, field->name, array);
}

static JsonObject *cpu_object(const DkCpu *cpu)
{
    JsonObject *object = json_object_new();
    json_object_set_int_member(object, "index", cpu->index);
    if (!cpu->regs[DK_REGSET_GENERAL])
        json_object_set_string_member(object, "missing",
                                      cpu->missing ? cpu->missing : "its registers are not known");
    for (gsize i = 0; i < G_N_ELEMENTS(cpu_fields); i++) {
        if (cpu->parts & cpu_fields[i].part)
            put_field(object, cpu, &cpu_fields[i]);
    }
    return object;
}

static void put_ram(JsonObject *object, const GArray *ram)
{
    if (!ram->len || ram->len > DK_OWN_RAM_MAX)
        return;
    JsonArray *array = json_array_new();
    for (guint i = 0; i < ram->len; i++) {
        const DkRamRange *range = &g_array_index(ram, DkRamRange, i);
        char text[24];
        JsonArray *pair = json_array_new();
        hex(text, range->first);
        json_array_add_string_element(pair, text);
        hex(text, range->last);
        json_array_add_string_element(pair, text);
        json_array_add_array_element(array, pair);
    }
    json_object_set_array_member(object, "ram", array);
}

JsonObject *dk_own_machine_object(const DkSubject *subject)
{
    const DkMachine *system = &subject->system;
    JsonObject *object = json_object_new();
    if (system->name) {
        g_autofree char *valid = g_utf8_make_valid(system->name, -1);
        json_object_set_string_member(object, "name", valid);
    }
    put_ram(object, system->ram);
    if (system->page_root) {
        char text[24];
        hex(text, system->page_root);
        json_object_set_string_member(object, "page_root", text);
    }
    JsonArray *cpus = json_array_new();
    for (guint i = 0; i < MIN(system->cpus->len, DK_OWN_CPUS_MAX); i++)
        json_array_add_object_element(cpus, cpu_object(g_ptr_array_index(system->cpus, i)));
    json_object_set_array_member(object, "cpus", cpus);
    if (system->windows.valid) {
        JsonObject *windows = json_object_new();
        for (gsize i = 0; i < G_N_ELEMENTS(windows_fields); i++)
            put_field(windows, &system->windows, &windows_fields[i]);
        json_object_set_object_member(object, "windows", windows);
    }
    return object;
}

/* --- reading --- */

static gboolean text_number(JsonNode *node, guint64 max, guint64 *value)
{
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
        return FALSE;
    const char *text = json_node_get_string(node);
    return g_str_has_prefix(text, "0x") &&
           g_ascii_string_to_unsigned(text + 2, 16, 0, max, value, NULL);
}

static void store(void *base, const Field *field, guint index, guint64 value)
{
    guint8 *at = (guint8 *)base + field->off + (gsize)index * field->size;
    if (field->size == 4)
        *(guint32 *)(void *)at = (guint32)value;
    else
        *(guint64 *)(void *)at = value;
}

/* All of a field, or nothing of it. */
static gboolean get_field(JsonObject *object, void *base, const Field *field)
{
    guint64 max = field->size == 4 ? G_MAXUINT32 : G_MAXUINT64;
    guint64 values[8];
    JsonNode *node = json_object_get_member(object, field->name);
    g_assert(field->count <= G_N_ELEMENTS(values));
    if (field->count == 1) {
        if (!text_number(node, max, &values[0]))
            return FALSE;
    } else {
        JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        if (!array || json_array_get_length(array) != field->count)
            return FALSE;
        for (guint i = 0; i < field->count; i++) {
            if (!text_number(json_array_get_element(array, i), max, &values[i]))
                return FALSE;
        }
    }
    for (guint i = 0; i < field->count; i++)
        store(base, field, i, values[i]);
    return TRUE;
}

static JsonArray *get_array(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *get_element(JsonArray *array, guint index)
{
    JsonNode *node = json_array_get_element(array, index);
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *get_text(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const DkRamRange *left = a;
    const DkRamRange *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

static void read_ram(DkMachine *system, JsonArray *array)
{
    guint count = array ? MIN(json_array_get_length(array), DK_OWN_RAM_MAX) : 0;
    g_autoptr(GArray) all = g_array_copy(system->ram);
    for (guint i = 0; i < count; i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonArray *pair = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        DkRamRange range;
        if (pair && json_array_get_length(pair) == 2 &&
            text_number(json_array_get_element(pair, 0), G_MAXUINT64, &range.first) &&
            text_number(json_array_get_element(pair, 1), G_MAXUINT64, &range.last) &&
            range.first <= range.last)
            g_array_append_val(all, range);
    }
    g_array_sort(all, compare_ranges);
    g_array_set_size(system->ram, 0);
    for (guint i = 0; i < all->len;) {
        DkRamRange range = g_array_index(all, DkRamRange, i);
        for (i++; i < all->len; i++) {
            const DkRamRange *next = &g_array_index(all, DkRamRange, i);
            if (next->first > range.last)
                break;
            range.last = MAX(range.last, next->last);
        }
        dk_machine_add_ram(system, range.first, range.last);
    }
}

static void read_cpu(DkCpu *cpu, JsonObject *object)
{
    guint32 known = 0;
    guint32 lacking = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(cpu_fields); i++) {
        if (get_field(object, cpu, &cpu_fields[i]))
            known |= cpu_fields[i].part;
        else
            lacking |= cpu_fields[i].part;
    }
    cpu->parts |= known & ~lacking;
}

/* CPUs that the dump has registers of, in their order, are those that the record says so of. */
static gboolean cpus_match(const DkMachine *system, JsonArray *array, guint count)
{
    guint with = 0;
    for (guint i = 0; i < count; i++) {
        JsonObject *object = get_element(array, i);
        JsonNode *index = object ? json_object_get_member(object, "index") : NULL;
        if (!index || !JSON_NODE_HOLDS_VALUE(index) ||
            json_node_get_value_type(index) != G_TYPE_INT64)
            return FALSE;
        with += !json_object_has_member(object, "missing");
    }
    for (guint i = 0; i < system->cpus->len; i++) {
        if (!((const DkCpu *)g_ptr_array_index(system->cpus, i))->regs[DK_REGSET_GENERAL])
            return FALSE;
    }
    return with == system->cpus->len;
}

static void read_cpus(DkMachine *system, JsonArray *array)
{
    guint count = array ? MIN(json_array_get_length(array), DK_OWN_CPUS_MAX) : 0;
    if (!count || !cpus_match(system, array, count))
        return;
    for (guint i = 0; i < count; i++) {
        JsonObject *object = get_element(array, i);
        gint64 index = json_object_get_int_member(object, "index");
        if (json_object_has_member(object, "missing")) {
            const char *why = get_text(object, "missing");
            DkCpu *cpu = dk_machine_add_cpu(system, 0);
            cpu->missing = g_strdup(why ? why : "its registers are not known");
            g_ptr_array_insert(system->cpus, (gint)i,
                               g_ptr_array_steal_index(system->cpus, system->cpus->len - 1));
        }
        DkCpu *cpu = g_ptr_array_index(system->cpus, i);
        cpu->index = (guint32)CLAMP(index, 0, G_MAXUINT32);
        read_cpu(cpu, object);
    }
}

void dk_own_machine_read(DkSubject *subject, JsonObject *object)
{
    DkMachine *system = &subject->system;
    const char *name = get_text(object, "name");
    if (name && !system->name)
        system->name = g_strdup(name);
    read_ram(system, get_array(object, "ram"));
    if (!system->page_root)
        text_number(json_object_get_member(object, "page_root"), G_MAXUINT64, &system->page_root);
    read_cpus(system, get_array(object, "cpus"));
    JsonNode *windows = json_object_get_member(object, "windows");
    if (windows && JSON_NODE_HOLDS_OBJECT(windows) && !system->windows.valid) {
        for (gsize i = 0; i < G_N_ELEMENTS(windows_fields); i++)
            get_field(json_node_get_object(windows), &system->windows, &windows_fields[i]);
        system->windows.valid = TRUE;
    }
}
