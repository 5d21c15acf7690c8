/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hidden verb "completion SHELL": prints a completion script made from the tables of verbs and
 * options, so that it cannot say anything else than they do.  The build installs its output.
 */
#include <stdio.h>
#include <string.h>

#include "tool/verb.h"

/* Calls each for every option of verb, its own and the shared ones. */
typedef void (*EachOption)(const DkVerb *verb, const GOptionEntry *option);

static gboolean takes_value(const GOptionEntry *option)
{
    if (option->arg == G_OPTION_ARG_NONE)
        return FALSE;
    return !(option->flags & (G_OPTION_FLAG_NO_ARG | G_OPTION_FLAG_OPTIONAL_ARG));
}

static void foreach_option(const DkVerb *verb, EachOption each)
{
    DkTool tool = {.verb = verb};
    g_autofree gpointer state = g_malloc0(verb->state_size + 1);
    GOptionEntry shared[DK_TOOL_OPTIONS];
    dk_tool_options(&tool, shared);
    for (const GOptionEntry *option = verb->options ? verb->options(state) : NULL;
         option && option->long_name; option++) {
        if (!(option->flags & G_OPTION_FLAG_HIDDEN))
            each(verb, option);
    }
    for (const GOptionEntry *option = shared; option->long_name; option++)
        each(verb, option);
    static const GOptionEntry help = {.long_name = "help",
                                      .short_name = 'h',
                                      .arg = G_OPTION_ARG_NONE,
                                      .description = "Show the options"};
    each(verb, &help);
}

static void foreach_verb(void (*each)(const DkVerb *verb))
{
    for (const DkVerb *const *verb = dk_verbs(); *verb; verb++) {
        if (!(*verb)->hidden)
            each(*verb);
    }
}

/* "elf|minidump" as words with separator between them; NULL when the argument is no such list. */
static char *value_words(const char *description, const char *separator)
{
    if (!description || !strchr(description, '|'))
        return NULL;
    for (const char *at = description; *at; at++) {
        if (!g_ascii_islower(*at) && !g_ascii_isdigit(*at) && !strchr("|-", *at))
            return NULL;
    }
    g_auto(GStrv) words = g_strsplit(description, "|", -1);
    return g_strjoinv(separator, words);
}

static gboolean is_path(const char *description)
{
    return description && (strstr(description, "FILE") || strstr(description, "DIR"));
}

/* The "pid:", "name:" of a synopsis such as "pid:N|name:NAME -o FILE", separated by spaces. */
static char *target_prefixes(const DkVerb *verb)
{
    g_auto(GStrv) words = g_strsplit_set(verb->synopsis, " |[]().", -1);
    GString *found = g_string_new(NULL);
    for (char **word = words; *word; word++) {
        const char *colon = strchr(*word, ':');
        if (!colon || colon == *word || !g_ascii_islower(**word))
            continue;
        g_string_append_printf(found, "%s%.*s:", found->len ? " " : "", (int)(colon - *word),
                               *word);
    }
    return g_string_free(found, FALSE);
}

static gboolean wants_verb(const DkVerb *verb)
{
    return strstr(verb->synopsis, "VERB") != NULL;
}

/* What stands behind the options: a verb, one of the targets, a path, or nothing at all. */
static gboolean wants_path(const DkVerb *verb)
{
    return is_path(verb->synopsis);
}

/* Prints text with a backslash before each character of special. */
static void print_escaped(const char *text, const char *special)
{
    for (const char *at = text; *at; at++) {
        if (strchr(special, *at))
            putchar('\\');
        putchar(*at);
    }
}

/* For a string between single quotes in bash and zsh: ' is closed, escaped and opened again. */
static void print_quoted(const char *text, const char *special)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            printf("'\\''");
        else if (strchr(special, *at))
            printf("\\%c", *at);
        else
            putchar(*at);
    }
}

static void print_name(const DkVerb *verb)
{
    printf("%s ", verb->name);
}

/* bash */

static void bash_option(const DkVerb *verb, const GOptionEntry *option)
{
    if (option->short_name)
        printf("-%c ", option->short_name);
    printf("--%s ", option->long_name);
}

static void bash_options(const DkVerb *verb)
{
    printf("    %s) options='", verb->name);
    foreach_option(verb, bash_option);
    g_autofree char *prefixes = target_prefixes(verb);
    const char *kind = wants_verb(verb) ? "verb" : wants_path(verb) ? "file" : "none";
    printf("' targets='%s' kind=%s ;;\n", prefixes, kind);
}

static void bash_value(const DkVerb *verb, const GOptionEntry *option)
{
    if (!takes_value(option))
        return;
    printf("    %s--%s", verb->name, option->long_name);
    if (option->short_name)
        printf("|%s-%c", verb->name, option->short_name);
    g_autofree char *words = value_words(option->arg_description, " ");
    if (words)
        printf(") words='%s' kind=words ;;\n", words);
    else
        printf(") kind=%s ;;\n", is_path(option->arg_description) ? "file" : "none");
}

static void bash_values(const DkVerb *verb)
{
    foreach_option(verb, bash_value);
}

static void bash_script(void)
{
    printf("# Completion of dumpkit for bash; made by \"dumpkit completion bash\".\n"
           "_dumpkit()\n"
           "{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local verb=${COMP_WORDS[1]} options='' targets='' words='' kind=none before=''\n"
           "    local verbs='");
    foreach_verb(print_name);
    printf("'\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -le 1 ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$cur\")\n"
           "        return\n"
           "    fi\n"
           "    case $verb in\n");
    foreach_verb(bash_options);
    printf("    *) return ;;\n"
           "    esac\n"
           "    # bash makes words of their own of \"=\" and \":\".\n"
           "    if [ \"$cur\" = = ] || [ \"$cur\" = : ]; then\n"
           "        before=$cur cur=\n"
           "    elif [ \"$prev\" = = ] || [ \"$prev\" = : ]; then\n"
           "        before=$prev prev=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    fi\n"
           "    if [ \"$before\" = : ]; then\n"
           "        [ \"$prev\" != pid ] || mapfile -t COMPREPLY < <(\n"
           "            cd /proc && compgen -W \"$(echo [0-9]*)\" -- \"$cur\")\n"
           "        return\n"
           "    fi\n"
           "    case $verb$prev in\n");
    foreach_verb(bash_values);
    printf("    *)\n"
           "        if [ \"${cur#-}\" != \"$cur\" ]; then\n"
           "            words=$options kind=words\n"
           "        elif [ $kind = verb ]; then\n"
           "            words=$verbs kind=words\n"
           "        elif [ -n \"$targets\" ]; then\n"
           "            words=$targets kind=words\n"
           "            compopt -o nospace 2>/dev/null\n"
           "        fi ;;\n"
           "    esac\n"
           "    case $kind in\n"
           "    words) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
           "    file)\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
           "    esac\n"
           "}\n"
           "complete -F _dumpkit dumpkit\n");
}

/* zsh */

static void zsh_verb(const DkVerb *verb)
{
    printf("        '%s:", verb->name);
    print_quoted(verb->summary, ":\\");
    printf("'\n");
}

static void zsh_option(const DkVerb *verb, const GOptionEntry *option)
{
    gboolean value = takes_value(option);
    printf(" \\\n        ");
    if (option->short_name)
        printf("'*'{-%c%s,--%s%s}'[", option->short_name, value ? "+" : "", option->long_name,
               value ? "=" : "");
    else
        printf("'*--%s%s[", option->long_name, value ? "=" : "");
    print_quoted(option->description, "[]:\\");
    putchar(']');
    if (value) {
        g_autofree char *words = value_words(option->arg_description, " ");
        printf(":");
        print_quoted(option->arg_description ? option->arg_description : "value", ":\\");
        if (words)
            printf(":(%s)", words);
        else
            printf(":%s", is_path(option->arg_description) ? "_files" : " ");
    }
    putchar('\'');
}

static void zsh_case(const DkVerb *verb)
{
    g_autofree char *prefixes = target_prefixes(verb);
    printf("    %s)\n        _arguments -S", verb->name);
    foreach_option(verb, zsh_option);
    if (wants_verb(verb))
        printf(" \\\n        '*:verb:{_describe verb verbs}'\n        ;;\n");
    else if (*prefixes)
        printf(" \\\n        '*:target:{compadd -S \"\" -- %s}'\n        ;;\n", prefixes);
    else
        printf("%s\n        ;;\n", wants_path(verb) ? " \\\n        '*:file:_files'" : "");
}

static void zsh_script(void)
{
    printf("#compdef dumpkit\n"
           "# Completion of dumpkit for zsh; made by \"dumpkit completion zsh\".\n"
           "_dumpkit() {\n"
           "    local -a verbs\n"
           "    verbs=(\n");
    foreach_verb(zsh_verb);
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe verb verbs\n"
           "        return\n"
           "    fi\n"
           "    local verb=$words[2]\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $verb in\n");
    foreach_verb(zsh_case);
    printf("    esac\n"
           "}\n"
           "if [[ $funcstack[1] == _dumpkit ]]; then\n"
           "    _dumpkit \"$@\"\n"
           "else\n"
           "    compdef _dumpkit dumpkit\n"
           "fi\n");
}

/* fish */

static void fish_verb(const DkVerb *verb)
{
    printf("complete -c dumpkit -f -n __fish_use_subcommand -a %s -d '", verb->name);
    print_escaped(verb->summary, "'\\");
    printf("'\n");
}

static void fish_option(const DkVerb *verb, const GOptionEntry *option)
{
    printf("complete -c dumpkit -n '__fish_seen_subcommand_from %s' -l %s", verb->name,
           option->long_name);
    if (option->short_name)
        printf(" -s %c", option->short_name);
    if (takes_value(option)) {
        g_autofree char *words = value_words(option->arg_description, " ");
        if (words)
            printf(" -x -a '%s'", words);
        else
            printf(" %s", is_path(option->arg_description) ? "-r -F" : "-x");
    }
    printf(" -d '");
    print_escaped(option->description, "'\\");
    printf("'\n");
}

static void fish_verb_options(const DkVerb *verb)
{
    foreach_option(verb, fish_option);
    g_autofree char *prefixes = target_prefixes(verb);
    printf("complete -c dumpkit -n '__fish_seen_subcommand_from %s'", verb->name);
    if (wants_verb(verb)) {
        printf(" -f -a '");
        foreach_verb(print_name);
        printf("'\n");
    } else if (*prefixes) {
        printf(" -f -a '%s'\n", prefixes);
    } else {
        printf(wants_path(verb) ? " -F\n" : " -f\n");
    }
}

static void fish_script(void)
{
    printf("# Completion of dumpkit for fish; made by \"dumpkit completion fish\".\n");
    foreach_verb(fish_verb);
    foreach_verb(fish_verb_options);
}

static int run(DkTool *tool, gpointer state, char **args)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (guint i = 0; args[0] && !args[1] && i < G_N_ELEMENTS(scripts); i++) {
        if (g_str_equal(args[0], scripts[i].shell)) {
            scripts[i].print();
            return DK_EXIT_DONE;
        }
    }
    fprintf(stderr, "dumpkit completion: one of bash, zsh, fish is expected\n");
    return DK_EXIT_USAGE;
}

const DkVerb dk_verb_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "print a completion script",
    .hidden = TRUE,
    .run = run,
};
