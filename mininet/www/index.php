<?php
// One visit of one session: who answered, how often this session was here, and what this server was sent.
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
header('Content-Type: application/json');
echo json_encode([
    'server' => $_SERVER['DWSR_SERVER'],
    'visits' => $_SESSION['visits'],
    'session' => session_id(),
    'method' => $_SERVER['REQUEST_METHOD'],
    'uri' => $_SERVER['REQUEST_URI'],
    'headers' => getallheaders(),
], JSON_UNESCAPED_SLASHES), "\n";
