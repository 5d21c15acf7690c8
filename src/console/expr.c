/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console/expr.h"

#include <string.h>

#include "base/error.h"

/* Parentheses and unary operators inside each other. */
#define DEPTH_MAX 64
#define NAME_MAX_CHARS 4096

typedef struct {
    const char *origin;
    const char *at;
    DkExprHost *host;
    guint depth;
} Parser;

typedef enum {
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_MODULO,
    OP_ADD,
    OP_SUBTRACT,
    OP_SHIFT_LEFT,
    OP_SHIFT_RIGHT,
    OP_SHIFT_ARITHMETIC,
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_GREATER,
    OP_LESS_EQUAL,
    OP_GREATER_EQUAL,
    OP_AND,
    OP_XOR,
    OP_OR,
} OpCode;

typedef struct {
    const char *text;
    OpCode code;
    guint level; /* higher binds stronger */
} Operator;

/* Longer ones first, so that "<" does not hide "<<". */
static const Operator operators[] = {
    {">>>", OP_SHIFT_ARITHMETIC, 5},
    {"<<", OP_SHIFT_LEFT, 5},
    {">>", OP_SHIFT_RIGHT, 5},
    {"==", OP_EQUAL, 4},
    {"!=", OP_UNEQUAL, 4},
    {"<=", OP_LESS_EQUAL, 4},
    {">=", OP_GREATER_EQUAL, 4},
    {"=", OP_EQUAL, 4},
    {"<", OP_LESS, 4},
    {">", OP_GREATER, 4},
    {"*", OP_MULTIPLY, 7},
    {"/", OP_DIVIDE, 7},
    {"%", OP_MODULO, 7},
    {"mod", OP_MODULO, 7},
    {"+", OP_ADD, 6},
    {"-", OP_SUBTRACT, 6},
    {"&", OP_AND, 3},
    {"and", OP_AND, 3},
    {"^", OP_XOR, 2},
    {"xor", OP_XOR, 2},
    {"|", OP_OR, 1},
    {"or", OP_OR, 1},
};

static gboolean parse_binary(Parser *parser, guint level, guint64 *value, GError **error);

static void skip_blanks(Parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t')
        parser->at++;
}

G_GNUC_PRINTF(4, 5)
static gboolean fail_at(const Parser *parser, const char *at, GError **error, const char *format,
                        ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "column %d: %s", (int)(at - parser->origin) + 1,
                text);
    return FALSE;
}

static gboolean is_name_char(char c)
{
    return g_ascii_isalnum(c) || c == '_' || c == '$' || c == '.' || (guchar)c >= 0x80;
}

/* TRUE when text, a word of letters, stands at at and no name goes on behind it. */
static gboolean is_word_at(const char *at, const char *text)
{
    gsize len = strlen(text);
    if (g_ascii_strncasecmp(at, text, len) != 0 || is_name_char(at[len]))
        return FALSE;
    return at[len] != '!' || at[len + 1] == '=';
}

static const Operator *operator_at(const char *at)
{
    for (gsize i = 0; i < G_N_ELEMENTS(operators); i++) {
        const char *text = operators[i].text;
        if (g_ascii_isalpha(*text) ? is_word_at(at, text) : g_str_has_prefix(at, text))
            return &operators[i];
    }
    return NULL;
}

static gint digit_value(char c)
{
    return c == '`' ? -1 : g_ascii_xdigit_value(c);
}

/* All of word, len characters, in radix; the half behind "`" has at most 8 hexadecimal digits. */
static gboolean parse_digits(const Parser *parser, const char *word, gsize len, guint radix,
                             guint64 *value, GError **error)
{
    guint64 sum = 0;
    guint digits = 0, behind_tick = 0;
    gboolean tick = FALSE;
    for (gsize i = 0; i < len; i++) {
        gint digit = digit_value(word[i]);
        if (word[i] == '`' && radix == 16 && digits && !tick) {
            tick = TRUE;
            continue;
        }
        if (digit < 0 || (guint)digit >= radix)
            return fail_at(parser, word + i, error, "'%c' is no digit of a number of base %u",
                           g_ascii_isprint(word[i]) ? word[i] : '?', radix);
        if (sum > (G_MAXUINT64 - (guint)digit) / radix)
            return fail_at(parser, word, error, "the number does not fit in 64 bits");
        sum = sum * radix + (guint)digit;
        digits++;
        behind_tick += tick;
    }
    if (!digits)
        return fail_at(parser, word, error, "a number has no digits");
    if (tick && (behind_tick > 8 || !behind_tick))
        return fail_at(parser, word, error, "1 to 8 digits have to follow \"`\"");
    if (tick && behind_tick < 8) {
        /* 1`2 is 00000001`00000002. */
        guint64 low = sum & (((guint64)1 << (behind_tick * 4)) - 1);
        guint64 high = sum >> (behind_tick * 4);
        if (high > G_MAXUINT32)
            return fail_at(parser, word, error, "the number does not fit in 64 bits");
        sum = high << 32 | low;
    }
    *value = sum;
    return TRUE;
}

static gboolean parse_number(const Parser *parser, const char *word, gsize len, guint64 *value,
                             GError **error)
{
    if (len > 2 && word[0] == '0') {
        switch (word[1]) {
        case 'x':
        case 'X':
            return parse_digits(parser, word + 2, len - 2, 16, value, error);
        case 'n':
        case 'N':
            return parse_digits(parser, word + 2, len - 2, 10, value, error);
        case 't':
        case 'T':
            return parse_digits(parser, word + 2, len - 2, 8, value, error);
        case 'y':
        case 'Y':
            return parse_digits(parser, word + 2, len - 2, 2, value, error);
        default:
            break;
        }
    }
    /* MASM's own suffix: 0ffh. */
    if (len > 1 && (word[len - 1] == 'h' || word[len - 1] == 'H'))
        len--;
    return parse_digits(parser, word, len, 16, value, error);
}

static gboolean all_hex(const char *word, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        if (!g_ascii_isxdigit(word[i]) && word[i] != '`')
            return FALSE;
    }
    return len && word[0] != '`';
}

/* The characters of a symbol: C++ scopes, versions ("memcpy@plt") and destructors included. */
static gsize name_length(const char *at)
{
    gsize len = 0;
    while (len < NAME_MAX_CHARS) {
        char c = at[len];
        if (is_name_char(c) || (c == '@' && len) || c == '`')
            len++;
        else if (c == ':' && at[len + 1] == ':')
            len += at[len + 2] == '~' ? 3 : 2;
        else if (c == '!' && len && at[len + 1] != '=' && !memchr(at, '!', len))
            len++;
        else
            break;
    }
    return len;
}

static gboolean look_up(Parser *parser, const char *at, const char *name, gboolean at_sign,
                        guint64 *value, GError **error)
{
    g_autoptr(GError) cause = NULL;
    if (parser->host->name(parser->host, name, at_sign, value, &cause))
        return TRUE;
    g_set_error(error, DK_ERROR, cause->domain == DK_ERROR ? cause->code : (gint)DK_ERROR_NOT_FOUND,
                "column %d: %s", (int)(at - parser->origin) + 1, cause->message);
    return FALSE;
}

/* @reg, @$pseudo, or @!"a name with any characters". */
static gboolean parse_at(Parser *parser, guint64 *value, GError **error)
{
    const char *start = parser->at++;
    if (parser->at[0] == '!' && parser->at[1] == '"') {
        const char *name = parser->at + 2;
        const char *quote = strchr(name, '"');
        if (!quote || quote - name > NAME_MAX_CHARS)
            return fail_at(parser, start, error, "no closing quote");
        parser->at = quote + 1;
        g_autofree char *text = g_strndup(name, quote - name);
        return look_up(parser, start, text, FALSE, value, error);
    }
    gsize len = 0;
    while (len < NAME_MAX_CHARS && is_name_char(parser->at[len]))
        len++;
    if (!len)
        return fail_at(parser, start, error, "a register has to follow \"@\"");
    g_autofree char *text = g_strndup(parser->at, len);
    parser->at += len;
    return look_up(parser, start, text, TRUE, value, error);
}

static gboolean parse_word(Parser *parser, guint64 *value, GError **error)
{
    const char *start = parser->at;
    gsize len = name_length(start);
    if (!len)
        return fail_at(parser, start, error,
                       *start ? "a number, symbol, register or \"(\" was expected"
                              : "the expression ends where a value was expected");
    parser->at += len;
    gboolean qualified = memchr(start, '!', len) != NULL;
    if (!qualified && (g_ascii_isdigit(*start) || all_hex(start, len)))
        return parse_number(parser, start, len, value, error);
    g_autofree char *text = g_strndup(start, len);
    return look_up(parser, start, text, FALSE, value, error);
}

/* 'abcd': the first character in the highest byte. */
static gboolean parse_characters(Parser *parser, guint64 *value, GError **error)
{
    const char *start = parser->at++;
    guint64 sum = 0;
    guint count = 0;
    while (*parser->at && *parser->at != '\'') {
        if (++count > 8)
            return fail_at(parser, start, error, "more than 8 characters between \"'\"");
        sum = sum << 8 | (guchar)*parser->at++;
    }
    if (!*parser->at)
        return fail_at(parser, start, error, "no closing \"'\"");
    if (!count)
        return fail_at(parser, start, error, "no character between \"'\"");
    parser->at++;
    *value = sum;
    return TRUE;
}

static gboolean parse_group(Parser *parser, guint64 *value, GError **error)
{
    const char *start = parser->at;
    char closing = *parser->at++ == '(' ? ')' : ']';
    if (!parse_binary(parser, 1, value, error))
        return FALSE;
    skip_blanks(parser);
    if (*parser->at != closing)
        return fail_at(parser, parser->at, error, "\"%c\" was expected for the \"%c\" at column %d",
                       closing, *start, (int)(start - parser->origin) + 1);
    parser->at++;
    return TRUE;
}

typedef enum { UNARY_NOT, UNARY_HI, UNARY_LOW, UNARY_READ } UnaryKind;

typedef struct {
    const char *word;
    UnaryKind kind;
    guint size; /* of a read; 0: a pointer */
} UnaryWord;

static const UnaryWord unary_words[] = {
    {"not", UNARY_NOT, 0}, {"hi", UNARY_HI, 0},    {"low", UNARY_LOW, 0},  {"by", UNARY_READ, 1},
    {"wo", UNARY_READ, 2}, {"dwo", UNARY_READ, 4}, {"qwo", UNARY_READ, 8}, {"poi", UNARY_READ, 0},
};

static gboolean parse_unary(Parser *parser, guint64 *value, GError **error);

static gboolean apply_word(Parser *parser, const UnaryWord *word, const char *start, guint64 *value,
                           GError **error)
{
    guint64 operand;
    if (!parse_unary(parser, &operand, error))
        return FALSE;
    switch (word->kind) {
    case UNARY_NOT:
        *value = !operand;
        return TRUE;
    case UNARY_HI:
        *value = operand >> 16 & 0xffff;
        return TRUE;
    case UNARY_LOW:
        *value = operand & 0xffff;
        return TRUE;
    case UNARY_READ:
        break;
    }
    g_autoptr(GError) cause = NULL;
    guint size = word->size ? word->size : parser->host->pointer_size;
    if (parser->host->read(parser->host, operand, size, value, &cause))
        return TRUE;
    g_set_error(error, DK_ERROR, cause->domain == DK_ERROR ? cause->code : (gint)DK_ERROR_ABSENT,
                "column %d: %s(): %s", (int)(start - parser->origin) + 1, word->word,
                cause->message);
    return FALSE;
}

static gboolean parse_operand(Parser *parser, guint64 *value, GError **error)
{
    const char *start = parser->at;
    switch (*start) {
    case '(':
    case '[':
        return parse_group(parser, value, error);
    case '@':
        return parse_at(parser, value, error);
    case '\'':
        return parse_characters(parser, value, error);
    case '-':
    case '+':
    case '~':
        parser->at++;
        if (!parse_unary(parser, value, error))
            return FALSE;
        *value = *start == '-' ? -*value : *start == '~' ? ~*value : *value;
        return TRUE;
    default:
        break;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(unary_words); i++) {
        if (is_word_at(start, unary_words[i].word)) {
            parser->at += strlen(unary_words[i].word);
            return apply_word(parser, &unary_words[i], start, value, error);
        }
    }
    return parse_word(parser, value, error);
}

static gboolean parse_unary(Parser *parser, guint64 *value, GError **error)
{
    skip_blanks(parser);
    if (parser->depth >= DEPTH_MAX)
        return fail_at(parser, parser->at, error, "the expression is nested deeper than %d",
                       DEPTH_MAX);
    parser->depth++;
    gboolean ok = parse_operand(parser, value, error);
    parser->depth--;
    return ok;
}

static gint64 shift_arithmetic(guint64 left, guint64 right)
{
    return (gint64)left >> MIN(right, 63);
}

static gboolean apply(const Parser *parser, const Operator *op, const char *at, guint64 left,
                      guint64 right, guint64 *value, GError **error)
{
    switch (op->code) {
    case OP_MULTIPLY:
        *value = left * right;
        return TRUE;
    case OP_DIVIDE:
    case OP_MODULO:
        if (!right)
            return fail_at(parser, at, error, "division by zero");
        *value = op->code == OP_DIVIDE ? left / right : left % right;
        return TRUE;
    case OP_ADD:
        *value = left + right;
        return TRUE;
    case OP_SUBTRACT:
        *value = left - right;
        return TRUE;
    case OP_SHIFT_LEFT:
        *value = right > 63 ? 0 : left << right;
        return TRUE;
    case OP_SHIFT_RIGHT:
        *value = right > 63 ? 0 : left >> right;
        return TRUE;
    case OP_SHIFT_ARITHMETIC:
        *value = (guint64)shift_arithmetic(left, right);
        return TRUE;
    case OP_EQUAL:
        *value = left == right;
        return TRUE;
    case OP_UNEQUAL:
        *value = left != right;
        return TRUE;
    case OP_LESS:
        *value = left < right;
        return TRUE;
    case OP_GREATER:
        *value = left > right;
        return TRUE;
    case OP_LESS_EQUAL:
        *value = left <= right;
        return TRUE;
    case OP_GREATER_EQUAL:
        *value = left >= right;
        return TRUE;
    case OP_AND:
        *value = left & right;
        return TRUE;
    case OP_XOR:
        *value = left ^ right;
        return TRUE;
    case OP_OR:
        *value = left | right;
        return TRUE;
    }
    g_assert_not_reached();
}

/* Precedence climbing: operators of at least level, each level from left to right. */
static gboolean parse_binary(Parser *parser, guint level, guint64 *value, GError **error)
{
    guint64 left;
    if (!parse_unary(parser, &left, error))
        return FALSE;
    for (;;) {
        skip_blanks(parser);
        const char *at = parser->at;
        const Operator *op = operator_at(at);
        if (!op || op->level < level)
            break;
        parser->at += strlen(op->text);
        guint64 right;
        if (!parse_binary(parser, op->level + 1, &right, error) ||
            !apply(parser, op, at, left, right, &left, error))
            return FALSE;
    }
    *value = left;
    return TRUE;
}

gboolean dk_expr_parse(const char *text, const char *origin, DkExprHost *host, const char **end,
                       guint64 *value, GError **error)
{
    Parser parser = {.origin = origin, .at = text, .host = host};
    guint64 found;
    if (!parse_binary(&parser, 1, &found, error))
        return FALSE;
    skip_blanks(&parser);
    *end = parser.at;
    *value = found;
    return TRUE;
}
