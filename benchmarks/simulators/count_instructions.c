/* A plugin for QEMU TCG (plugin interface, version 1) that counts instructions and blocks of code in the upper half of
 * the address space, where the benchmarks' images run: two additions inlined into each block, which is the least that
 * counting costs there. The counts are written to the file that the argument "out=" names.
 *
 * The declarations are those of qemu-plugin.h, which distributions do not install. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions, blocks;
static char path[4096];

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    if (!(qemu_plugin_tb_vaddr(block) >> 63))
        return;
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &instructions,
                                             qemu_plugin_tb_n_insns(block));
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &blocks, 1);
}

static void finished(qemu_plugin_id_t id, void *data)
{
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%" PRIu64 " %" PRIu64 "\n", instructions, blocks);
        fclose(file);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments)
{
    if (count != 1 || strncmp(arguments[0], "out=", 4))
        return -1;
    strncpy(path, arguments[0] + 4, sizeof path - 1);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
