-- Makes the interpreter a safe place before the first script: what all scripts share cannot be
-- changed by any of them, and errors look as they do in the reference.
--
-- Lua 5.1 has no read-only tables. So a shared table is hidden behind an empty one that reads
-- through to it and refuses writes; `hidden` knows what is behind which. The functions that look
-- at tables without asking their metatables are taught about it. Nothing here uses a global
-- variable, since scripts can set the environments of functions.
local native, globals, environment = ...

local error, getmetatable, next, rawget, rawset = error, getmetatable, next, rawget, rawset
local rawequal, setmetatable, tostring, type = rawequal, setmetatable, tostring, type
local pcall, setfenv, xpcall, resume = pcall, setfenv, xpcall, coroutine.resume

-- What is defined from here on has the environment that scripts have.
setfenv(1, environment)

local hidden = {}
local sealed_metatable = {}

local READONLY = 'Attempt to modify a readonly table'

local function refuse()
    error(READONLY, 2)
end

local function hide(real, front)
    front = front or {}
    hidden[front] = real
    return setmetatable(front, {
        __index = real,
        __newindex = refuse,
        __metatable = sealed_metatable,
    })
end

local function bad_table(where, given)
    error("bad argument #1 to '" .. where .. "' (table expected, got " ..
        (given == nil and 'nil' or type(given)) .. ')', 3)
end

-- ---- What looks at tables ----

local function shared_pairs(t)
    if type(t) ~= 'table' then bad_table('pairs', t) end
    local real = hidden[t]
    if real then
        return function(_, key) return next(real, key) end, t, nil
    end
    return next, t, nil
end

local function shared_next(t, key)
    if type(t) ~= 'table' then bad_table('next', t) end
    return next(hidden[t] or t, key)
end

local function shared_rawget(t, key)
    if type(t) ~= 'table' then bad_table('rawget', t) end
    return rawget(hidden[t] or t, key)
end

local function shared_rawset(t, key, value)
    if type(t) ~= 'table' then bad_table('rawset', t) end
    if hidden[t] then error(READONLY, 0) end
    return rawset(t, key, value)
end

local function shared_setmetatable(t, metatable)
    if type(t) ~= 'table' then bad_table('setmetatable', t) end
    if hidden[t] then error(READONLY, 0) end
    return setmetatable(t, metatable)
end

local function shared_setfenv(of, env)
    if of == 0 then error(READONLY, 0) end
    if type(of) == 'number' then of = of + 1 end
    return setfenv(of, env)
end

-- ---- What sees errors ----

-- Errors of our own functions travel as values of the interpreter's host.
local function shown(e)
    if type(e) == 'userdata' then return native.error_table(e) end
    return e
end

local function settle(ok, ...)
    if ok then return true, ... end
    local e = shown((...))
    if type(e) == 'table' then
        local text = e.err
        if type(text) == 'string' then return false, text end
    end
    return false, e
end

local function shared_pcall(...)
    return settle(pcall(...))
end

local function shared_xpcall(f, handler)
    return xpcall(f, function(e)
        -- Nothing could stop a handler that is called while a script is being stopped.
        if native.is_stopped() then return shown(e) end
        return handler(shown(e))
    end)
end

local function settle_resume(ok, ...)
    if ok then return true, ... end
    return false, shown((...))
end

local function shared_resume(...)
    return settle_resume(resume(...))
end

-- ---- Chunks are text ----

local load_text = native.load

local function shared_loadstring(text, name)
    return load_text(text, name or text)
end

local function shared_load(read, name)
    local pieces, n = {}, 0
    while true do
        local piece = read()
        if piece == nil or piece == '' then break end
        n = n + 1
        pieces[n] = piece
    end
    return load_text(native.concat(pieces), name or '=(load)')
end

-- ---- The globals ----

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

hide({}, sealed_metatable)
getmetatable('').__metatable = sealed_metatable

globals.coroutine.resume = shared_resume
for name, value in next, globals do
    if type(value) == 'table' and not rawequal(value, globals) then
        globals[name] = hide(value)
    end
end
globals._G = environment
globals.pairs, globals.next = shared_pairs, shared_next
globals.rawget, globals.rawset = shared_rawget, shared_rawset
globals.setmetatable, globals.setfenv = shared_setmetatable, shared_setfenv
globals.pcall, globals.xpcall = shared_pcall, shared_xpcall
globals.load, globals.loadstring = shared_load, shared_loadstring

setmetatable(globals, { __index = missing })
hide(globals, environment)

-- ---- For those who run code here ----

-- Calls a function with two arguments, and hands its error to a handler.
local function protected(f, handler, first, second)
    return xpcall(function() return f(first, second) end, handler)
end

-- What the code of a library finds in place of the globals while it is loaded.
local function library(redis)
    local front = hide(setmetatable(redis, { __index = missing }))
    return setmetatable({ redis = front }, { __index = missing })
end

return protected, library
